"""Step: good and bad moves of a batch of games, at most one as played and one at random a game."""

from collections import Counter
from typing import Any

from outgrow.chess.blunders import SCHEMA, blunders_of_game
from outgrow.chess.engine import Engine
from outgrow.chess.mining import Rows, read_rows, write_rows
from outgrow.dag.work import Context


def mine_blunders(context: Context) -> dict[str, Any]:
    """Mine games.parquet of the input `games` with this seed and write blunders.parquet."""
    games = read_rows(context.inputs["games"].path("games.parquet"))
    counts: Counter[str] = Counter()
    rows: Rows = []
    with Engine(hash_mb=1) as engine:
        for done, game in enumerate(games, 1):
            rows += blunders_of_game(
                game["moves"].split(),
                number=game["game"],
                first=game["opening_plies"],
                seed=context.spec["seed"],
                engine=engine,
                counts=counts,
            )
            context.progress(done, len(games), "games")
        name = engine.name
    write_rows(rows, context.folder / "blunders.parquet", schema=SCHEMA)
    cells = Counter(f"{row['source']} label={row['label']}" for row in rows)
    return {"engine": name, "games": len(games), "rows": len(rows), **dict(sorted((counts + cells).items()))}
