"""Step: the task `chess-blunder` from all mined moves, one Parquet file."""

from collections import Counter
from typing import Any

from outgrow.chess.blunders import SCHEMA, choose_blunders
from outgrow.chess.mining import read_rows, write_rows
from outgrow.dag.work import Context


def assemble_blunders(context: Context) -> dict[str, Any]:
    """Join blunders.parquet of all inputs, balance the labels within each source and write chess-blunder.parquet."""
    spec = context.spec
    mined = [row for each in context.inputs.values() for row in read_rows(each.path("blunders.parquet"))]
    rows = choose_blunders(mined, seed=spec["seed"], target=spec["target"])
    write_rows(rows, context.folder / "chess-blunder.parquet", schema=SCHEMA)
    cells = Counter(f"{row['source']} label={row['label']}" for row in mined)
    return {"mined": len(mined), "rows": len(rows), "cells": dict(sorted(cells.items()))}
