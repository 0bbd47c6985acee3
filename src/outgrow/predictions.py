"""What every model of a cell says to each test row, as columns. Reads the store: no torch, no pandas.

Legend: N test rows, T stored options (at most 32).
"""

from collections.abc import Mapping
from typing import Any

from outgrow.dag.store import Artefact
from outgrow.errors import StepError
from outgrow.tables import read_examples, read_labels, read_texts
from outgrow.tasks import Task

FILES = ("labels.parquet", "test.parquet")
"""Where a step keeps its predictions on test: labels that came from a file, or those of a model."""
ROLES = {"weak": "weak", "result": "student", "ceiling": "ceiling", "zero_shot": "zero_shot"}
"""The steps of a cell, and the names of their columns."""


def columns(task: Task, steps: Mapping[str, Artefact]) -> dict[str, list[Any]]:
    """Return id, text, truth, and of each role its answer and its probabilities; StepError where a file is gone.

    Free text has the probability 1, as it is a hard label.
    """
    test = read_examples(steps["source"].path("test.parquet"))
    names = task.options()
    found: dict[str, list[Any]] = {
        "id": list(test.ids),
        "text": list(test.texts),
        "truth": list(test.answers) if test.answers else [names[option] for option in test.truth_N],
    }
    for role, column in ROLES.items():
        if role in steps:
            found |= _answers(steps[role], test.ids, names, column)
    return found


def _answers(step: Artefact, ids: tuple[str, ...], names: tuple[str, ...], column: str) -> dict[str, list[Any]]:
    file = next((each for each in FILES if each in step.record["files"]), None)
    if file is None:
        raise StepError(f"{step.record.get('title', step.key)} has kept no predictions")
    if not names:
        texts = read_texts(step.path(file)).take(ids).texts
        return {column: list(texts), f"{column}_probabilities": [{text: 1.0} for text in texts]}
    labels = read_labels(step.path(file)).take(ids)
    options_NT, probabilities_NT = labels.options_NT.tolist(), labels.probabilities_NT.tolist()
    return {
        column: [names[options_T[0]] for options_T in options_NT],
        f"{column}_probabilities": [
            {names[option]: probability for option, probability in zip(*each, strict=True)}
            for each in zip(options_NT, probabilities_NT, strict=True)
        ],
    }
