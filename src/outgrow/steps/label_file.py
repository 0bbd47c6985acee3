"""Step: weak labels from a file: human labels, another model's, an ensemble's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.dag.store import file_sha256
from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels
from outgrow.steps.scored import scored, scored_texts
from outgrow.tables import read_examples, write_labels, write_texts
from outgrow.tasks import task_of

ROUGHLY, EXACTLY = 1e-3, 1e-6
FEW = 10
"""Options that an error message lists."""


def label_file(context: Context) -> dict[str, Any]:
    """Read JSONL or Parquet rows of `id` and `probabilities` (K numbers) or `label` (an option or its number).

    Where the task's labels are free text, `label` is a text.

    The rows must cover the splits that a student trains on, and test: there they are the weak predictions.
    """
    path, spec = Path(context.places["labels"]), context.spec
    if file_sha256(path) != spec["sha256"]:
        raise StepError(f"{path} has changed since the study was planned: run the study again")
    task = task_of(spec)
    rows = _rows(path)
    if not rows:
        raise StepError(f"{path} has no rows")
    if task.head == "text":
        return _texts(context, rows)
    index = {option: i for i, option in enumerate(task.options())}
    vectors = [_vector(row, number, index, path) for number, row in enumerate(rows, start=1)]
    ids = _distinct([str(row["id"]) for row in rows], path)
    labels = Labels.from_dense(ids, np.stack(vectors))
    write_labels(context.folder / "labels.parquet", labels)
    test = _test_rows(context, ids)
    return {"rows": len(labels), "test": scored(task, labels.take(test.ids), test)}


def _texts(context: Context, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Read rows of `id` and `label`, where labels are free text."""
    path = Path(context.places["labels"])
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or "id" not in row or not isinstance(row.get("label"), str):
            raise StepError(f"{path}, row {number}: it needs an id and a label that is a text")
    ids = _distinct([str(row["id"]) for row in rows], path)
    labels = TextLabels.of(ids, [row["label"] for row in rows])
    write_texts(context.folder / "labels.parquet", labels)
    test = _test_rows(context, ids)
    return {"rows": len(labels), "test": scored_texts(task_of(context.spec), labels.take(test.ids), test)}


def _test_rows(context: Context, ids: list[str]) -> Examples:
    """Return the task's test rows; StepError unless all of them are among these ids."""
    test = read_examples(context.inputs["task"].path("test.parquet"))
    missing = sorted(set(test.ids) - set(ids))
    if missing:
        raise StepError(
            f"{context.places['labels']} has no label for {len(missing)} of the {len(test)} test rows, such as "
            f"{missing[0]!r}: without them there is no weak accuracy to compare with"
        )
    return test


def _distinct(ids: list[str], path: Path) -> list[str]:
    seen: dict[str, int] = {}
    for number, each in enumerate(ids, start=1):
        if each in seen:
            raise StepError(f"{path}, row {number}: the id {each!r} stands in row {seen[each]} already")
        seen[each] = number
    return ids


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        try:
            table: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise StepError(f"{path} is not a whole Parquet file: {error}") from None
        return table
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise StepError(f"{path} is not UTF-8 text: labels are JSONL, or Parquet with the ending .parquet") from None
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise StepError(f"{path}, row {number}: not a JSON object") from None
    return rows


def _vector(row: dict[str, Any], number: int, index: dict[str, int], path: Path) -> np.ndarray:
    where = f"{path}, row {number}"
    if not isinstance(row, dict) or "id" not in row:
        raise StepError(f"{where}: it has no id")
    if "probabilities" in row:
        try:
            vector = np.asarray(row["probabilities"], np.float64)
        except (TypeError, ValueError):
            vector = np.full(1, np.nan)
        if vector.shape != (len(index),) or not np.isfinite(vector).all() or (vector < 0).any():
            raise StepError(f"{where}: probabilities must be {len(index)} numbers of at least 0")
        if abs(vector.sum() - 1) > ROUGHLY:
            raise StepError(f"{where}: probabilities add up to {vector.sum():.4f}, not 1")
        # What was computed in single precision stays as it is: labels that went through a file are the same labels.
        return vector if abs(vector.sum() - 1) < EXACTLY else np.asarray(vector / vector.sum())
    if "label" not in row:
        raise StepError(f"{where}: it has neither label nor probabilities")
    value = row["label"]
    option = index.get(value, -1) if isinstance(value, str) else value
    if not isinstance(option, int) or isinstance(option, bool) or not 0 <= option < len(index):
        few = f": {', '.join(index)}" if len(index) <= FEW else ", such as " + ", ".join(list(index)[:3])
        raise StepError(f"{where}: the label {value!r} is none of the {len(index)} options{few}")
    vector = np.zeros(len(index))
    vector[option] = 1.0
    return vector
