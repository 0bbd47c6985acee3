"""Step: a task's rows as examples, with the splits that no seed touches."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from outgrow.dag.store import Artefact
from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, cut, fixed_order
from outgrow.tables import read_examples, write_examples
from outgrow.tasks import Rows, Task, task_of
from outgrow.tasks.dialogue import first_turn
from outgrow.tasks.grouping import normal
from outgrow.tasks.shortcuts import shortcut_accuracy

TUNE_SHARE, TUNE_FIT = 0.1, 0.8
LEARNED = ("pool", "tune_fit", "tune_score")
"""The splits from which models learn anything."""
ALSO_TRAINED = "of a text that models are trained on"


def task(context: Context) -> dict[str, Any]:
    """Read the task's rows and write pool, test, tune_fit and tune_score, each as a Parquet table of examples.

    A task with a natural figure also gets natural.parquet: all rows of the groups that were dealt out to fill test,
    those of test among them. Where there is an input `apart`, rows of another task that models are trained on, no
    group has a text of those.
    """
    spec = context.spec
    kind = task_of(spec)
    rows = kind.read(spec, context.places)
    if "apart" in context.inputs:
        rows = apart_from(rows, context.inputs["apart"])
    if not len(rows.examples):
        raise StepError(f"the task {kind.name} has no rows{_reasons(rows)}")
    dealt = _dealt(kind, rows.examples, test=spec["test"], tune=spec["tune"])
    parts = {name: rows.examples.take(ids) for name, ids in dealt.splits.items()}
    parts["pool"] = _pool(kind, rows.examples, dealt, most=spec.get("pool", 0))
    for name, part in parts.items():
        write_examples(context.folder / f"{name}.parquet", part)
    test = parts["test"]
    outputs = {
        "rows": {name: len(part) for name, part in parts.items()},
        "test_groups": test.group_numbers(),
        "test_truth": test.truth_N.tolist(),
        "test_ids_sha256": hashlib.sha256("\n".join(test.ids).encode()).hexdigest(),
    }
    if kind.natural:
        natural = _rows_of(rows.every, dealt.test_groups)
        write_examples(context.folder / "natural.parquet", natural)
        outputs |= _natural(natural, rows)
    if rows.skipped:
        outputs["skipped"] = dict(rows.skipped)
    if kind.family == "nlp" and kind.head == "class":
        outputs["shortcut"] = shortcut_accuracy(parts["pool"], test, num_options=kind.num_options)
    return outputs


@dataclass(frozen=True)
class _Dealt:
    """order: all groups. splits: ids by split. test_groups: those dealt out until test was full."""

    order: Sequence[str]
    splits: dict[str, tuple[str, ...]]
    test_groups: frozenset[str]


def _dealt(kind: Task, examples: Examples, *, test: int, tune: int) -> _Dealt:
    classes = kind.num_options if kind.balanced else 0
    most = min(tune, int(TUNE_SHARE * len(examples)))
    fit = int(TUNE_FIT * most) // max(classes, 1) * max(classes, 1)
    sizes = {"test": test, "tune_fit": fit, "tune_score": (most - fit) // max(classes, 1) * max(classes, 1)}
    order = fixed_order(examples.groups, purpose=f"test of {kind.name}")
    splits = cut(examples, sizes, order=order, balanced_classes=classes)
    in_test = set(examples.take(splits["test"]).groups)
    last = max(place for place, group in enumerate(order) if group in in_test)
    return _Dealt(order, splits, frozenset(order[: last + 1]))


def _pool(kind: Task, examples: Examples, dealt: _Dealt, *, most: int) -> Examples:
    """Return the rows that seeds deal out: of no group with a row in a fixed split, and none that test left out."""
    taken = {group for ids in dealt.splits.values() for group in examples.take(ids).groups}
    if kind.natural:
        taken |= dealt.test_groups
    ids = [each for each, group in zip(examples.ids, examples.groups, strict=True) if group not in taken]
    pool = examples.take(ids)
    return _capped(pool, dealt.order, most, kind.num_options if kind.balanced else 1) if most else pool


def _capped(pool: Examples, order: Sequence[str], most: int, classes: int) -> Examples:
    """Return at most this many rows, the first in the fixed order of groups, as many of each class if it counts."""
    place = {group: i for i, group in enumerate(order)}
    room = [most // classes] * classes
    kept = []
    for row in sorted(range(len(pool)), key=lambda row: (place[pool.groups[row]], row)):
        kind = int(pool.truth_N[row]) if classes > 1 else 0
        if room[kind]:
            room[kind] -= 1
            kept.append(pool.ids[row])
    return pool.take(kept)


def apart_from(rows: Rows, trained: Artefact) -> Rows:
    """Return the rows without the groups that have a text, or a dialogue's beginning, in common with trained rows.

    What is left out is counted.
    """
    learned = [read_examples(trained.path(f"{name}.parquet")) for name in LEARNED if trained.has(f"{name}.parquet")]
    known = {_beginning(text) for part in learned for text in part.texts}
    every = rows.every
    shared = {group for group, text in zip(every.groups, every.texts, strict=True) if _beginning(text) in known}
    if not shared:
        return rows
    kept = [i for i, group in enumerate(every.groups) if group not in shared]
    left = every.take([every.ids[i] for i in kept])
    names = set(left.ids)
    return replace(
        rows,
        every=left,
        used=None if rows.used is None else tuple(each for each in rows.used if each in names),
        questions=tuple(rows.questions[i] for i in kept) if rows.questions else (),
        skipped={**rows.skipped, ALSO_TRAINED: len(every) - len(left)},
    )


def _beginning(text: str) -> str:
    return normal(first_turn(text))


def _rows_of(examples: Examples, groups: frozenset[str]) -> Examples:
    return examples.take([each for each, group in zip(examples.ids, examples.groups, strict=True) if group in groups])


def _natural(natural: Examples, rows: Rows) -> dict[str, Any]:
    """Return what a record keeps of the natural rows: how many, the number of each one's question, its truth."""
    question = dict(zip(rows.every.ids, rows.questions or rows.every.ids, strict=True))
    numbers: dict[str, int] = {}
    return {
        "natural_rows": len(natural),
        "natural_groups": [numbers.setdefault(question[each], len(numbers)) for each in natural.ids],
        "natural_truth": natural.truth_N.tolist(),
    }


def _reasons(rows: Rows) -> str:
    told = ", ".join(f"{number:,} {reason}" for reason, number in rows.skipped.items())
    return f" that can be used: {told}" if told else ""
