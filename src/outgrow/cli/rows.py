"""`outgrow rows`: ids and texts of a study's rows, for whoever labels them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outgrow.cli.output import console, shown
from outgrow.errors import UsageError
from outgrow.numerals import plural
from outgrow.task_rows import rows


def write_rows(
    source: str,
    overrides: Sequence[str],
    *,
    task: str | None,
    split: str | None,
    seed: int | None,
    truth: bool,
    out: Path | None,
    store: Path,
) -> None:
    """Write the rows as JSONL or Parquet and print how many; without a file, print them as JSONL."""
    if out is not None and out.suffix not in (".jsonl", ".parquet"):
        raise UsageError(f"{out}: rows are written as .jsonl or .parquet")
    found = rows(source, task=task, split=split, seed=seed, truth=truth, store=store, overrides=overrides)
    if out is None:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found))
        return
    out = out.expanduser()
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(found), out)
    else:
        out.write_text("".join(f"{line}\n" for line in _lines(found)), encoding="utf-8")
    console().print(f"{plural(len(found), 'row')}: {shown(out)}", soft_wrap=True)


def _lines(found: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(row, ensure_ascii=False) for row in found]
