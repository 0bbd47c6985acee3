"""Single test rows with what supervisor, student, ceiling and the untuned student say to each. For the page's browser.

Which rows: all, or where there are more than fit, a sample drawn without regard to their content (`sample`).
Legend: N test rows, P columns of predictions (one a finished step).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from outgrow.dag.step import Step
from outgrow.dag.store import Artefact, Store
from outgrow.examples import Examples
from outgrow.free_text import number_of
from outgrow.plan import Cell
from outgrow.report.packing import packed
from outgrow.seeds import derive
from outgrow.tables import read_confidence, read_examples, read_texts
from outgrow.tasks import Task

MOST_ROWS = 2_000
LONGEST_TEXT = 4_000
TEST_FILE, LABEL_FILE = "test.parquet", "labels.parquet"
RULE = (
    "Rows are put into an order given by a hash of their id (seed 0). Each comparison and seed has four lists: rows "
    "that supervisor and student get right or wrong. Lists take turns, each giving its next row not yet taken, until "
    "there are as many as fit."
)

Plain: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """A step's predictions on the test rows: an option each, how sure it was (None where not kept), right or not."""

    predicted_N: np.ndarray
    percent_N: np.ndarray | None
    correct_N: np.ndarray
    names: Mapping[int, str] = field(default_factory=dict)
    """Of free texts by number."""


def task_examples(
    task: Task, cells: Sequence[Cell], ids: Mapping[tuple[str, str, str, str], str], store: Store, *, room: int
) -> Plain | None:
    """Return one task's examples, packed into at most `room` bytes, with what the page needs to list them.

    cells: the task's finished cells. ids: a comparison's id by (task, supervisor, student, method). None where the
    store does not hold the rows.
    """
    source = store.get(cells[0].source.key)
    if source is None or TEST_FILE not in source.record["files"]:
        return None
    examples = read_examples(source.path(TEST_FILE))
    # A study may give two blocks of one task other test rows: those of the first are shown.
    cells = [cell for cell in cells if cell.source.key == source.key]
    columns = _columns(cells, store, examples)
    most = min(MOST_ROWS, len(examples))
    while True:
        rows = sample(examples.ids, _quadrants(cells, columns), most)
        blob = packed(_content(task, examples, rows, columns))
        if len(blob) <= room or most < 20:
            break
        most = max(10, int(most * 0.9 * room / len(blob)))
    order = {key: i for i, key in enumerate(columns)}
    return {
        "task": cells[0].task,
        "family": task.family,
        "options": list(task.options()) if examples.completions else [],
        "shown": len(rows),
        "of": len(examples),
        "cells": [_cell(cell, ids, order) for cell in cells],
        "blob": blob,
    }


def _cell(cell: Cell, ids: Mapping[tuple[str, str, str, str], str], order: dict[str, int]) -> Plain:
    return {
        "comparison": ids[(cell.task, cell.supervisor, cell.student, cell.method)],
        "seed": cell.seed,
        "weak": order[cell.weak.key],
        "student": order[cell.result.key],
        "ceiling": order[cell.ceiling.key],
        "zero_shot": order[cell.zero_shot.key] if cell.zero_shot else None,
    }


def _columns(cells: Sequence[Cell], store: Store, examples: Examples) -> dict[str, Answers]:
    steps: dict[str, Step] = {}
    for cell in cells:
        for step in (cell.weak, cell.result, cell.ceiling, cell.zero_shot):
            if step is not None:
                steps.setdefault(step.key, step)
    found = ((key, store.get(key)) for key in steps)
    return {key: _answers(artefact, examples) for key, artefact in found if artefact is not None}


def _answers(artefact: Artefact, examples: Examples) -> Answers:
    test = artefact.outputs["test"]
    correct_N = np.frombuffer(test["correct"].encode(), np.uint8) == ord("1")
    name = next((each for each in (LABEL_FILE, TEST_FILE) if each in artefact.record["files"]), None)
    percent_N = None
    if name is not None and examples.answers:
        texts = read_texts(artefact.path(name)).take(examples.ids).texts
        names = {number_of(text): text for text in texts}
        return Answers(np.array(test["predicted"]), None, correct_N, names)
    if name is not None:
        confidence = read_confidence(artefact.path(name))
        percent_N = np.rint([100 * confidence[each] for each in examples.ids]).astype(int)
    return Answers(np.array(test["predicted"]), percent_N, correct_N)


def _quadrants(cells: Sequence[Cell], columns: dict[str, Answers]) -> Iterator[np.ndarray]:
    """Yield for every cell, of the rows, which are right by both, by one, by the other, by none: a mask_N each."""
    for cell in cells:
        weak_N, student_N = columns[cell.weak.key].correct_N, columns[cell.result.key].correct_N
        for weak_right in (False, True):
            for student_right in (True, False):
                yield (weak_N == weak_right) & (student_N == student_right)


def sample(ids: Sequence[str], masks: Iterator[np.ndarray], most: int) -> list[int]:
    """Return at most `most` rows, in their own order, by `RULE`: every mask that has rows is shown some of them."""
    if most >= len(ids):
        return list(range(len(ids)))
    order_N = np.array(sorted(range(len(ids)), key=lambda row: (derive(0, "report", ids[row]), ids[row])))
    lists = [order_N[mask_N[order_N]].tolist() for mask_N in masks]
    taken: dict[int, None] = {}
    waiting = [iter(each) for each in lists]
    while waiting and len(taken) < most:
        still = []
        for each in waiting:
            row = next((row for row in each if row not in taken), None)
            if row is not None and len(taken) < most:
                taken[row] = None
                still.append(each)
        waiting = still
    return sorted(taken)


def _content(task: Task, examples: Examples, rows: list[int], columns: dict[str, Answers]) -> Plain:
    """Return what is packed: texts, and options as numbers into the list of those that occur.

    Where options are texts, `completions` has those of every row, and all of them count as occurring.
    """
    names = dict(enumerate(task.options())) | {number_of(each): each for each in examples.answers}
    names |= {number: text for each in columns.values() for number, text in each.names.items()}
    used = {int(examples.truth_N[row]) for row in rows}
    used |= {option for row in rows if examples.completions for option in range(len(examples.completions[row]))}
    used |= {int(each.predicted_N[row]) for each in columns.values() for row in rows}
    options = sorted(used)
    place = {option: i for i, option in enumerate(options)}
    return {
        "ids": [examples.ids[row] for row in rows],
        "texts": [(_ending if examples.completions else _shortened)(examples.texts[row]) for row in rows],
        "completions": [
            [_shortened(each) for each in examples.completions[row]] for row in rows if examples.completions
        ],
        "truth": [place[int(examples.truth_N[row])] for row in rows],
        "options": [names[option] for option in options],
        "predicted": [[place[int(each.predicted_N[row])] for row in rows] for each in columns.values()],
        "percent": [None if each.percent_N is None else each.percent_N[rows].tolist() for each in columns.values()],
    }


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} [...]"


def _ending(text: str) -> str:
    """Return a prompt cut as models cut it: what is to be answered stands at its end."""
    return text if len(text) <= LONGEST_TEXT else f"[...] {text[-LONGEST_TEXT:]}"
