"""Whoever labels rows: a finetuned model, a file, or several supervisors together. Makes steps, computes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from outgrow.dag.step import Step
from outgrow.methods import METHODS
from outgrow.spec import LabelFile
from outgrow.task_steps import TaskSteps


class Labeller(Protocol):
    """`weak` is the step whose predictions on test are the weak ones."""

    @property
    def weak(self) -> Step:
        """Return the step whose record holds the labeller's predictions on test."""

    def labels(self, splits: Sequence[str]) -> dict[str, Step]:
        """Return the steps whose labels cover these splits, by input name."""

    def tested_on(self, other: TaskSteps) -> Step | None:
        """Return the step with its predictions on the test rows of another task; None where it can make none."""


@dataclass(frozen=True)
class ByModel:
    """A model that was finetuned or probed in the step `weak`."""

    steps: TaskSteps
    name: str
    weak: Step

    def labels(self, splits: Sequence[str]) -> dict[str, Step]:
        """Return one step a split."""
        return {f"labels_{split}": self.steps.label(self.name, self.weak, split) for split in splits}

    def tested_on(self, other: TaskSteps) -> Step:
        """Return the step in which the model meets the other task's test rows."""
        return other.label(self.name, self.weak, "test")


@dataclass(frozen=True)
class FromFile:
    """A file of labels for all rows, test included."""

    weak: Step

    def labels(self, splits: Sequence[str]) -> dict[str, Step]:
        """Return the file's step, whatever the splits."""
        del splits
        return {"labels": self.weak}

    def tested_on(self, other: TaskSteps) -> None:
        """Return None: a file has no label for other rows."""


@dataclass(frozen=True)
class Pooled:
    """Several labellers as one, by a rule of `outgrow.pooling`."""

    steps: TaskSteps
    rule: str
    members: tuple[Labeller, ...]

    @property
    def weak(self) -> Step:
        """Return the step that pools the members' predictions on test."""
        whole = {f"member_{i}": each.weak for i, each in enumerate(self.members)}
        return self.steps.pool(self.rule, whole, "test")

    def labels(self, splits: Sequence[str]) -> dict[str, Step]:
        """Return one pooling step a split."""
        found = {}
        for split in splits:
            steps = [step for each in self.members for step in each.labels([split]).values()]
            parts = {f"member_{i}": step for i, step in enumerate(steps)}
            found[f"labels_{split}"] = self.steps.pool(self.rule, parts, split)
        return found

    def tested_on(self, other: TaskSteps) -> Step | None:
        """Return the step that pools the members' predictions on the other task's test rows."""
        tested = {f"member_{i}": each.tested_on(other) for i, each in enumerate(self.members)}
        steps = {name: step for name, step in tested.items() if step is not None}
        return other.pool(self.rule, steps, "test") if len(steps) == len(tested) else None


def supervisor(steps: TaskSteps, who: str | LabelFile, *, generative: bool = False) -> Labeller:
    """Return the labeller of this name or file: a model is finetuned on the truth of the split `supervisor`.

    `generative`: on its texts as language before that.
    """
    if isinstance(who, LabelFile):
        return FromFile(steps.label_file(who))
    method = METHODS["generative-all" if generative else "naive"]
    return ByModel(steps, who, steps.made(who, splits=["supervisor"], role="supervisor", method=method, keep=True))
