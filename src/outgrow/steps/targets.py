"""What a model is trained towards: truth, or weak labels as a method transforms them, and what that saw of truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels
from outgrow.methods.method import OWN
from outgrow.seeds import generator
from outgrow.steps.desk import Desk
from outgrow.steps.own import own_file
from outgrow.steps.writing import WritingBench
from outgrow.training.losses import Moment, moment_at_start
from outgrow.transforms import TRANSFORMS, Given, Transform, transformed


@dataclass(frozen=True)
class Targets:
    """The rows that are trained on, their labels and weights, where training starts, and what was seen of the truth.

    `label_accuracy`: the share of the labels that are right.
    """

    examples: Examples
    labels: Labels
    weight_N: np.ndarray
    moment: Moment
    cheating: list[str]
    label_accuracy: float


def targets(desk: Desk, examples: Examples) -> Targets:
    """Return what the spec's `train` part asks for; transforms may leave rows out."""
    kind = desk.spec["train"]
    desk.check_rows(examples, kind["splits"][0])
    if isinstance(desk, WritingBench):
        return _texts(desk, examples)
    if kind["labels"] == "truth":
        labels = Labels.from_truth(examples, desk.task.num_options)
        return Targets(examples, labels, np.ones(len(labels), np.float32), _moment(desk, labels), [], 1.0)
    labels = desk.weak_labels().take(examples.ids)
    steps = [(_transform(desk, name), options) for name, options in kind["transforms"]]
    given = Given(
        ids=examples.ids,
        rng=generator(desk.spec["seed"], "transforms", desk.task.name),
        shared=desk.task.shared,
        balanced=desk.task.balanced,
        features_ND=desk.features(examples) if "features" in desk.context.inputs else None,
        truth_N=examples.truth_N if any(each.sees_truth for each, _ in steps) else None,
        counts_N=np.array([len(each) for each in examples.completions]) if examples.completions else None,
    )
    found = transformed(labels, steps, given)
    learned = found.labels.hard() if kind["hard"] else found.labels
    cheating = [each.told(**options) for each, options in steps if each.sees_truth]
    if (desk.spec["validation"] or {}).get("labels") == "truth":
        cheating.append("stopped on the truth of student_validation")
    rows = examples.take(learned.ids)
    right = float((learned.predicted() == rows.truth_N).mean())
    return Targets(rows, learned, found.weight_N, _moment(desk, learned), cheating, right)


def _texts(bench: WritingBench, examples: Examples) -> Targets:
    """Return the rows with the text that each is trained to write: its only option, so its label is 1."""
    truth = TextLabels.of(examples.ids, examples.answers)
    found = truth if bench.spec["train"]["labels"] == "truth" else bench.weak_texts().take(examples.ids)
    right = float(np.mean([mine == true for mine, true in zip(found.texts, truth.texts, strict=True)]))
    ones_N = np.ones(len(examples), np.float32)
    labels = Labels.from_dense(examples.ids, ones_N[:, None])
    return Targets(bench.answered(examples, found.texts), labels, ones_N, _moment(bench, labels), [], right)


def _transform(desk: Desk, name: str) -> Transform:
    found = own_file(desk).transform if name == OWN else TRANSFORMS[name]
    if found is None:
        raise StepError(f"the method's file defines no label transform, which its METHOD names as {OWN!r}")
    return found


def _moment(desk: Desk, labels: Labels) -> Moment:
    return moment_at_start(labels, shared=desk.task.shared, balanced=desk.task.balanced)


def told(found: Targets) -> dict[str, Any]:
    """Return what a record says of the labels that were learned from."""
    return {
        "label_accuracy": found.label_accuracy,
        "rows_used": len(found.examples),
        "cheating": found.cheating,
    }
