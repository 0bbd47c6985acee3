"""What every step on a task's rows does alike: find rows and labels, write predictions, score them. Loads no model."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels, joined
from outgrow.free_text import TextLabels, joined_texts
from outgrow.splits import split_rows
from outgrow.steps.scored import natural_figure, scored
from outgrow.tables import read_labels, read_texts, write_labels
from outgrow.tasks import task_of
from outgrow.training.probes import Probe


class Desk:
    """The rows of the task that a step's spec names, as the spec's seed deals them out."""

    def __init__(self, context: Context) -> None:
        self.context, self.spec = context, context.spec
        self.task = task_of(self.spec)

    def has(self, split: str) -> bool:
        """Return whether the task has this fixed split."""
        return self.context.inputs["task"].has(f"{split}.parquet")

    def examples(self, *splits: str) -> Examples:
        """Return the rows of these splits: fixed ones, or those that the spec's seed deals out."""
        source, sizes = self.context.inputs["task"], self.spec.get("splits", {})
        return split_rows(source, splits, task=self.task, sizes=sizes, seed=self.spec.get("seed"))

    def check_rows(self, examples: Examples, split: str) -> None:
        """Raise StepError where there are none, as a tenth of a small task may be."""
        if not len(examples):
            raise StepError(f"{self.task.name} has no row for the split {split}: name a learning rate, or more rows")

    def weak_labels(self) -> Labels:
        """Return the labels of every input named `labels...`, as one."""
        return joined([read_labels(path) for path in self._label_files()])

    def weak_texts(self) -> TextLabels:
        """Return the free texts of every input named `labels...`, as one."""
        return joined_texts([read_texts(path) for path in self._label_files()])

    def _label_files(self) -> list[Path]:
        parts = [each for name, each in sorted(self.context.inputs.items()) if name.startswith("labels")]
        return [part.path("labels.parquet") for part in parts]

    def features(self, examples: Examples) -> np.ndarray:
        """Return features_ND of these rows from the input `features`; features_NKD where options are texts."""
        table, row_of = self._features
        return table[[row_of[each] for each in examples.ids]]

    def exists(self, examples: Examples) -> np.ndarray | None:
        """Return which options each row has, exists_NK; None where every row has all of them."""
        counts_N = np.array([len(each) for each in examples.completions])
        if not len(counts_N) or (counts_N == self.task.num_options).all():
            return None
        exists_NK: np.ndarray = np.arange(self.task.num_options) < counts_N[:, None]
        return exists_NK

    def probed(self, probe: Probe, examples: Examples) -> np.ndarray:
        """Return what a probe gives these rows, probabilities_NK."""
        return probe.probabilities(self.features(examples), self.exists(examples))

    @cached_property
    def _features(self) -> tuple[np.ndarray, dict[str, int]]:
        with safe_open(self.context.inputs["features"].path("features.safetensors"), framework="np") as file:
            splits = sorted(file.keys())
            table = np.concatenate([file.get_tensor(split) for split in splits])
        ids = [each for split in splits for each in self.examples(split).ids]
        return table, {each: row for row, each in enumerate(ids)}

    def write(self, examples: Examples, probabilities_NK: np.ndarray, *, file: str) -> Labels:
        """Write predictions of these rows to this file and return them; StepError where they are not numbers."""
        if not np.isfinite(probabilities_NK).all():
            raise StepError("the model's predictions are not finite: lower training.lr")
        labels = Labels.from_dense(examples.ids, probabilities_NK, rank_NK=examples.ranks(self.task.num_options))
        write_labels(self.context.folder / file, labels)
        return labels

    def score(self, split: str, predict: Callable[[Examples], np.ndarray]) -> dict[str, Any]:
        """Predict a fixed split into test.parquet; return what a record keeps of it.

        On test, where the task has a natural mix of rows, all of it is predicted and gives a second figure.
        """
        examples = self.examples(split)
        self.check_rows(examples, split)
        if split != "test" or not self.task.natural:
            labels = self.write(examples, predict(examples), file="test.parquet")
            return scored(self.task, labels, examples) | self._cut(split)
        natural = self.examples("natural")  # the rows of test are among them
        probabilities_MK = predict(natural)
        place = {each: row for row, each in enumerate(natural.ids)}
        probabilities_NK = probabilities_MK[[place[each] for each in examples.ids]]
        questions_M = self.context.inputs["task"].outputs["natural_groups"]
        figure = natural_figure(self.task.natural, probabilities_MK, natural.truth_N, np.array(questions_M))
        labels = self.write(examples, probabilities_NK, file="test.parquet")
        return scored(self.task, labels, examples) | {"natural_accuracy": figure} | self._cut("natural")

    def _cut(self, split: str) -> dict[str, float]:
        """Return the shares of rows that lost their beginning when their features were computed, where any did."""
        if "features" not in self.context.inputs:
            return {}
        found: dict[str, float] = self.context.inputs["features"].outputs.get("cut", {}).get(split, {})
        return found
