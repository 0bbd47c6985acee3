"""Step: a task's rows as examples, with the splits that no seed touches."""

import hashlib
from pathlib import Path
from typing import Any

from outgrow.dag.store import file_sha256
from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import cut, fixed_order
from outgrow.tables import write_examples
from outgrow.tasks import find_task

TUNE_SHARE, TUNE_FIT = 0.1, 0.8


def task(context: Context) -> dict[str, Any]:
    """Read the task's file and write pool, test, tune_fit and tune_score, each as a Parquet table of examples."""
    spec = context.spec
    kind, path = find_task(spec["task"]), Path(context.places["data"])
    if file_sha256(path) != spec["sha256"]:
        raise StepError(f"{path} has changed since the study was planned: run the study again")
    examples = kind.read(path)
    if not len(examples):
        raise StepError(f"{path} has no rows")
    classes = kind.num_options if kind.balanced else 0
    tune = min(spec["tune"], int(TUNE_SHARE * len(examples)))
    fit = int(TUNE_FIT * tune) // max(classes, 1) * max(classes, 1)
    sizes = {"test": spec["test"], "tune_fit": fit, "tune_score": (tune - fit) // max(classes, 1) * max(classes, 1)}
    order = fixed_order(examples.groups, purpose=f"test of {kind.name}")
    splits = cut(examples, sizes, order=order, balanced_classes=classes)
    taken_groups = {g for ids in splits.values() for g in examples.take(ids).groups}
    parts = {name: examples.take(ids) for name, ids in splits.items()}
    pool_ids = [each for each, group in zip(examples.ids, examples.groups, strict=True) if group not in taken_groups]
    parts["pool"] = examples.take(pool_ids)
    for name, part in parts.items():
        write_examples(context.folder / f"{name}.parquet", part)
    test = parts["test"]
    return {
        "rows": {name: len(part) for name, part in parts.items()},
        "test_groups": test.group_numbers(),
        "test_truth": test.truth_N.tolist(),
        "test_ids_sha256": hashlib.sha256("\n".join(test.ids).encode()).hexdigest(),
    }
