"""Step: the puzzles of a batch of games, at most one a game."""

from collections import Counter
from typing import Any

from outgrow.chess.engine import Engine
from outgrow.chess.mining import read_rows, write_rows
from outgrow.chess.puzzles import SCHEMA, puzzle_of_game
from outgrow.dag.work import Context


def mine_puzzles(context: Context) -> dict[str, Any]:
    """Mine games.parquet of the input `games` with this seed and write puzzles.parquet.

    With `only_tens` in the spec, look for nothing but the rare puzzles of difficulty 10.
    """
    games = read_rows(context.inputs["games"].path("games.parquet"))
    counts: Counter[str] = Counter()
    rows = []
    with Engine(hash_mb=1) as engine:
        for done, game in enumerate(games, 1):
            row = puzzle_of_game(
                game["moves"].split(),
                number=game["game"],
                first=game["opening_plies"],
                seed=context.spec["seed"],
                engine=engine,
                counts=counts,
                only_tens=context.spec.get("only_tens", False),
            )
            rows += [] if row is None else [row]
            context.progress(done, len(games), "games")
        name = engine.name
    write_rows(rows, context.folder / "puzzles.parquet", schema=SCHEMA)
    difficulties = Counter(f"difficulty {row['difficulty']} capture={row['is_capture']:d}" for row in rows)
    return {"engine": name, "games": len(games), "puzzles": len(rows), **dict(sorted((counts + difficulties).items()))}
