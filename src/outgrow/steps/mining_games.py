"""What the mining steps do alike: go through the games of a batch with an engine, and write what they give."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from outgrow.chess.engine import Engine
from outgrow.chess.mining import Rows, read_rows, write_rows
from outgrow.dag.work import Context


def mine(
    context: Context, rows_of_game: Callable[..., Rows], *, file: str, schema: pa.Schema
) -> tuple[Rows, Counter[str], dict[str, Any]]:
    """Write the rows of every game of games.parquet of the input `games` to this file.

    `rows_of_game`: (moves, number, first, seed, engine, counts) -> rows. Returns the rows, what was counted, and what
    every record of mining begins with.
    """
    games = read_rows(context.inputs["games"].path("games.parquet"))
    counts: Counter[str] = Counter()
    rows: Rows = []
    with Engine(hash_mb=1) as engine:
        for done, game in enumerate(games, 1):
            rows += rows_of_game(
                game["moves"].split(),
                number=game["game"],
                first=game["opening_plies"],
                seed=context.spec["seed"],
                engine=engine,
                counts=counts,
            )
            context.progress(done, len(games), "games")
        name = engine.name
    write_rows(rows, context.folder / file, schema=schema)
    return rows, counts, {"engine": name, "games": len(games)}


def at_most_one(row_of_game: Callable[..., dict[str, Any] | None]) -> Callable[..., Rows]:
    """Return a function that gives the game's only row as a list, or none."""

    def rows_of_game(*arguments: Any, **named: Any) -> Rows:
        row = row_of_game(*arguments, **named)
        return [] if row is None else [row]

    return rows_of_game
