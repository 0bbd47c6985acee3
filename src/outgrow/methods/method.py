"""What a method is: a named combination of choices that do not depend on one another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from outgrow.transforms import TRANSFORMS

Requirement = Literal[
    "shared-options", "two-options", "can-harden", "models-between", "features", "several-supervisors", "words"
]
LOSS_NAMES = (
    "cross-entropy",
    "confidence",
    "confidence-release",
    "product",
    "log-entropy",
    "confidence-window",
    "reverse-kl",
    "reverse-ce",
    "adaptive-confidence",
    "generalised-ce",
    "l2-confidence",
    "entropy-confidence",
)
"""The names of the losses; the functions are in outgrow.training.losses, which needs torch."""
OWN = "own"
"""In a user's method file: the loss, or the label transform, that the file itself defines."""


@dataclass(frozen=True)
class Method:
    """A named combination of choices; every choice that is left out is the study's, or the plain one.

    What the student trains on: `pool`, how several supervisors' labels are combined; `transforms`, what is done to the
    labels, in order, each with its options; then `labels`, soft (probabilities) or hard (the most probable option).
    `chain`: the student is reached over the models between, each on fresh rows. `links`: the supervisor labels the
    chain's rows too, and the student trains on all of them.

    How it trains: `loss` with `loss_options`; `tuning`, what of the model is trained (none: it is prompted, with
    `shots` examples in the prompt that carry `shot_labels`); `stop`, the labels that choose a checkpoint; `training`,
    settings that take the place of the study's. `generative`: who is first finetuned on the texts as language, without
    labels: the student and its ceiling, or the supervisor too.

    `control`: the method that is always reported beside it. `requires`: what must be there for it to make sense.
    `module`: the file of a user's own method.
    """

    name: str
    about: str
    source: str
    labels: Literal["soft", "hard"] = "soft"
    transforms: tuple[tuple[str, Mapping[str, float]], ...] = ()
    loss: str = "cross-entropy"
    loss_options: Mapping[str, float | str] = field(default_factory=dict)
    tuning: Literal["", "full", "lora", "probe", "probe-then-full", "none"] = ""
    stop: Literal["", "weak", "truth"] = ""
    chain: bool = False
    links: bool = False
    pool: Literal["", "mean", "entropy"] = ""
    shots: int = 0
    shot_labels: Literal["truth", "weak"] = "truth"
    training: Mapping[str, float] = field(default_factory=dict)
    generative: Literal["", "student", "all"] = ""
    control: str = ""
    requires: tuple[Requirement, ...] = ()
    module: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """Return what of the truth of the student's rows the method is told, in words; nothing for an honest method.

        What a user's own transform is told is known to its file alone: see `OwnModule.told`.
        """
        found = [
            TRANSFORMS[name].told(**options)
            for name, options in self.transforms
            if name in TRANSFORMS and TRANSFORMS[name].sees_truth
        ]
        if self.stop == "truth":
            found.append("stopped on the truth of student_validation")
        if self.shots and self.shot_labels == "truth":
            found.append(f"was shown the truth of {self.shots} rows")
        return tuple(found)
