"""Step: the puzzles of a batch of games, at most one a game."""

from collections import Counter
from functools import partial
from typing import Any

from outgrow.chess.puzzles import SCHEMA, puzzle_of_game
from outgrow.dag.work import Context
from outgrow.steps.mining_games import at_most_one, mine


def mine_puzzles(context: Context) -> dict[str, Any]:
    """Mine games.parquet of the input `games` with this seed and write puzzles.parquet.

    With `only_tens` in the spec, look for nothing but the rare puzzles of difficulty 10.
    """
    of_game = partial(puzzle_of_game, only_tens=context.spec.get("only_tens", False))
    rows, counts, told = mine(context, at_most_one(of_game), file="puzzles.parquet", schema=SCHEMA)
    difficulties = Counter(f"difficulty {row['difficulty']} capture={row['is_capture']:d}" for row in rows)
    return told | {"puzzles": len(rows), **dict(sorted((counts + difficulties).items()))}
