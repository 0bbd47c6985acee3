"""Step: the task `chess-puzzle` from all mined puzzles, one Parquet file."""

from collections import Counter
from typing import Any

from outgrow.chess.mining import read_rows, write_rows
from outgrow.chess.puzzles import SCHEMA, choose_puzzles
from outgrow.dag.work import Context


def assemble_puzzles(context: Context) -> dict[str, Any]:
    """Join puzzles.parquet of all inputs, apply the quotas and write chess-puzzle.parquet."""
    spec = context.spec
    mined = [row for each in context.inputs.values() for row in read_rows(each.path("puzzles.parquet"))]
    rows = choose_puzzles(
        mined,
        seed=spec["seed"],
        target=spec["target"],
        max_one_node=spec["max_one_node"],
        max_captures=spec["max_captures"],
    )
    write_rows(rows, context.folder / "chess-puzzle.parquet", schema=SCHEMA)
    difficulties = Counter(str(row["difficulty"]) for row in rows)
    captures = sum(row["is_capture"] for row in rows)
    return {"mined": len(mined), "rows": len(rows), "captures": captures, "difficulty": dict(difficulties)}
