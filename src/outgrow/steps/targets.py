"""What a model is trained towards: truth, or weak labels as a method transforms them, and what that saw of truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.methods.method import OWN
from outgrow.seeds import generator
from outgrow.steps.desk import Desk
from outgrow.steps.own import own_file
from outgrow.training.losses import Moment, moment_at_start
from outgrow.transforms import TRANSFORMS, Given, Transform, transformed


@dataclass(frozen=True)
class Targets:
    """The rows that are trained on, their labels and weights, where training starts, and what was seen of the truth."""

    examples: Examples
    labels: Labels
    weight_N: np.ndarray
    moment: Moment
    cheating: list[str]


def targets(desk: Desk, examples: Examples) -> Targets:
    """Return what the spec's `train` part asks for; transforms may leave rows out."""
    kind = desk.spec["train"]
    if kind["labels"] == "truth":
        labels = Labels.from_truth(examples, desk.task.num_options)
        return Targets(examples, labels, np.ones(len(labels), np.float32), _moment(desk, labels), [])
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
    return Targets(examples.take(learned.ids), learned, found.weight_N, _moment(desk, learned), cheating)


def _transform(desk: Desk, name: str) -> Transform:
    found = own_file(desk).transform if name == OWN else TRANSFORMS[name]
    if found is None:
        raise StepError(f"the method's file defines no label transform, which its METHOD names as {OWN!r}")
    return found


def _moment(desk: Desk, labels: Labels) -> Moment:
    return moment_at_start(labels, shared=desk.task.shared, balanced=desk.task.balanced)


def told(found: Targets) -> dict[str, Any]:
    """Return what a record says of the labels that were learned from."""
    right_N = found.labels.predicted() == found.examples.truth_N
    return {"label_accuracy": float(right_N.mean()), "rows_used": len(right_N), "cheating": found.cheating}
