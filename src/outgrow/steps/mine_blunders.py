"""Step: good and bad moves of a batch of games, at most one as played and one at random a game."""

from collections import Counter
from typing import Any

from outgrow.chess.blunders import SCHEMA, blunders_of_game
from outgrow.dag.work import Context
from outgrow.steps.mining_games import mine


def mine_blunders(context: Context) -> dict[str, Any]:
    """Mine games.parquet of the input `games` with this seed and write blunders.parquet."""
    rows, counts, told = mine(context, blunders_of_game, file="blunders.parquet", schema=SCHEMA)
    cells = Counter(f"{row['source']} label={row['label']}" for row in rows)
    return told | {"rows": len(rows), **dict(sorted((counts + cells).items()))}
