"""Step: pairs of moves of a batch of games, at most one a game."""

from typing import Any

from outgrow.chess.preferences import SCHEMA, pair_of_game
from outgrow.dag.work import Context
from outgrow.steps.mining_games import at_most_one, mine


def mine_preferences(context: Context) -> dict[str, Any]:
    """Mine games.parquet of the input `games` with this seed and write preferences.parquet."""
    rows, counts, told = mine(context, at_most_one(pair_of_game), file="preferences.parquet", schema=SCHEMA)
    return told | {"pairs": len(rows), **counts}
