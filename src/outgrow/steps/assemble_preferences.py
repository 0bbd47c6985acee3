"""Step: the task `chess-preference` from all mined pairs, one Parquet file."""

from typing import Any

import numpy as np

from outgrow.chess.mining import read_rows, write_rows
from outgrow.chess.preferences import TASK_SCHEMA, choose_preferences
from outgrow.dag.work import Context


def assemble_preferences(context: Context) -> dict[str, Any]:
    """Join preferences.parquet of all inputs, take as many of both kinds and write chess-preference.parquet."""
    spec = context.spec
    mined = [row for each in context.inputs.values() for row in read_rows(each.path("preferences.parquet"))]
    rows = choose_preferences(mined, seed=spec["seed"], target=spec["target"])
    write_rows(rows, context.folder / "chess-preference.parquet", schema=TASK_SCHEMA)
    with_played = [row["better"] == row["played"] for row in rows if row["played"] is not None]
    quartiles = np.quantile([row["margin_cp"] for row in rows], [0.25, 0.5, 0.75]).tolist() if rows else []
    return {
        "mined": len(mined),
        "rows": len(rows),
        "first_better": sum(row["better"] == 0 for row in rows),
        "played": len(with_played),
        "played_better": sum(with_played),
        "margin_quartiles": quartiles,
    }
