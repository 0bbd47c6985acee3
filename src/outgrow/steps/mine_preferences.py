"""Step: pairs of moves of a batch of games, at most one a game."""

from collections import Counter
from typing import Any

from outgrow.chess.engine import Engine
from outgrow.chess.mining import Rows, read_rows, write_rows
from outgrow.chess.preferences import SCHEMA, pair_of_game
from outgrow.dag.work import Context


def mine_preferences(context: Context) -> dict[str, Any]:
    """Mine games.parquet of the input `games` with this seed and write preferences.parquet."""
    games = read_rows(context.inputs["games"].path("games.parquet"))
    counts: Counter[str] = Counter()
    rows: Rows = []
    with Engine(hash_mb=1) as engine:
        for done, game in enumerate(games, 1):
            row = pair_of_game(
                game["moves"].split(),
                number=game["game"],
                first=game["opening_plies"],
                seed=context.spec["seed"],
                engine=engine,
                counts=counts,
            )
            rows += [] if row is None else [row]
            context.progress(done, len(games), "games")
        name = engine.name
    write_rows(rows, context.folder / "preferences.parquet", schema=SCHEMA)
    return {"engine": name, "games": len(games), "pairs": len(rows), **counts}
