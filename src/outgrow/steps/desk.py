"""What every step on a task's rows does alike: find rows and labels, write predictions, score them. Loads no model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels, cut, joined, seeded_order
from outgrow.steps.scored import scored
from outgrow.tables import read_examples, read_labels, write_labels
from outgrow.tasks import find_task

FIXED_SPLITS = ("test", "tune_fit", "tune_score", "natural", "pool")


class Desk:
    """The rows of the task that a step's spec names, as the spec's seed deals them out."""

    def __init__(self, context: Context) -> None:
        self.context, self.spec = context, context.spec
        self.task = find_task(self.spec["task"])

    def examples(self, *splits: str) -> Examples:
        """Return the rows of these splits: fixed ones, or those that the spec's seed deals out."""
        source = self.context.inputs["task"]
        if splits[0] in FIXED_SPLITS:
            return read_examples(source.path(f"{splits[0]}.parquet"))
        pool = read_examples(source.path("pool.parquet"))
        order = seeded_order(pool.groups, seed=self.spec["seed"], purpose=self.task.name)
        classes = self.task.num_options if self.task.balanced else 0
        ids = cut(pool, self.spec["splits"], order=order, balanced_classes=classes)
        return pool.take([each for split in splits for each in ids[split]])

    def weak_labels(self) -> Labels:
        """Return the labels of every input named `labels...`, as one."""
        parts = [each for name, each in sorted(self.context.inputs.items()) if name.startswith("labels")]
        return joined([read_labels(part.path("labels.parquet")) for part in parts])

    def write(self, examples: Examples, probabilities_NK: np.ndarray, *, file: str) -> Labels:
        """Write predictions of these rows to this file and return them; StepError where they are not numbers."""
        if not np.isfinite(probabilities_NK).all():
            raise StepError("the model's predictions are not finite: lower training.lr")
        labels = Labels.from_dense(examples.ids, probabilities_NK)
        write_labels(self.context.folder / file, labels)
        return labels

    def score(self, split: str, predict: Callable[[Examples], np.ndarray]) -> dict[str, Any]:
        """Predict a fixed split into test.parquet; return what a record keeps of it."""
        examples = self.examples(split)
        return scored(self.task, self.write(examples, predict(examples), file="test.parquet"), examples)
