"""The graph that makes the chess tasks from batches of self-play games. Plain data: no engine, no torch."""

from collections.abc import Sequence

from outgrow.dag.step import Step
from outgrow.versions import step

PUZZLE_BATCHES, TENS_BATCHES, BLUNDER_BATCHES = 31, 21, 25
"""How many of the batches of 500 games are mined, enough for the quotas; after those for puzzles, some more are
searched for puzzles of difficulty 10 alone: there is about one in 2,000 games."""
PUZZLE_QUOTAS = {"target": 5_000, "max_one_node": 0.85, "max_captures": 0.55}
BLUNDER_TARGET = 14_000
PREFERENCE_BATCHES = 26
"""Of the last batches: in the shipped ladder, games that no other task has."""
PREFERENCE_TARGET = 12_000


def chess_task_steps(games: Sequence[Step], *, seed: int = 0) -> dict[str, Step]:
    """Return the last step of each chess task, by the task's name; `games` are `selfplay` steps, in order.

    Each leaves one file, `<task>.parquet`.
    """
    puzzles, blunders, preferences = {}, {}, {}
    for i, batch in enumerate(games[: PUZZLE_BATCHES + TENS_BATCHES]):
        spec = {"seed": seed} if i < PUZZLE_BATCHES else {"seed": seed, "only_tens": True}
        puzzles[f"batch_{i:03d}"] = step("mine_puzzles", spec, {"games": batch}, title=f"puzzles {i}")
    for i, batch in enumerate(games[:BLUNDER_BATCHES]):
        blunders[f"batch_{i:03d}"] = step("mine_blunders", {"seed": seed}, {"games": batch}, title=f"blunders {i}")
    for i, batch in enumerate(games[-PREFERENCE_BATCHES:]):
        preferences[f"batch_{i:03d}"] = step("mine_preferences", {"seed": seed}, {"games": batch}, title=f"pairs {i}")
    pair_spec = {"seed": seed, "target": PREFERENCE_TARGET}
    blunder_spec = {"seed": seed, "target": BLUNDER_TARGET}
    return {
        "chess-puzzle": step("assemble_puzzles", {"seed": seed, **PUZZLE_QUOTAS}, puzzles, title="chess-puzzle"),
        "chess-blunder": step("assemble_blunders", blunder_spec, blunders, title="chess-blunder"),
        "chess-preference": step("assemble_preferences", pair_spec, preferences, title="chess-preference"),
    }
