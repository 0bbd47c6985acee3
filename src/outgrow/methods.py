"""The table of methods: how a student is made from weak labels. Data only; a loss is named by a string. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from outgrow.errors import UsageError, unknown
from outgrow.tasks import Task

BURNS = "Burns et al. 2023"


@dataclass(frozen=True)
class Method:
    """A named combination of choices.

    `labels`: soft (the supervisor's probabilities) or hard (its most probable option). `chain`: the student is
    reached over the models between, each on fresh rows. `links`: the supervisor labels the chain's rows too, and the
    student trains on all of them. `control`: the method that spends the same compute, always reported beside it.
    """

    name: str
    about: str
    source: str
    labels: Literal["soft", "hard"] = "soft"
    loss: str = "cross-entropy"
    loss_options: Mapping[str, float] = field(default_factory=dict)
    chain: bool = False
    links: bool = False
    control: str = ""
    requires: tuple[Literal["shared-options", "models-between"], ...] = ()


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("naive", "Cross-entropy on the soft weak labels.", f"{BURNS}, section 4.2"),
        Method("naive-hard", "Cross-entropy on the weak labels' most probable option.", BURNS, labels="hard"),
        Method(
            "confidence",
            "Weak labels mixed with the student's own hardened predictions, up to one half.",
            f"{BURNS}, appendix A.4",
            loss="confidence",
            loss_options={"weight": 0.5, "warmup": 0.2},
        ),
        Method(
            "confidence-75",
            "The confidence loss with weight 0.75, the paper's choice for its largest students.",
            f"{BURNS}, appendix A.4",
            loss="confidence",
            loss_options={"weight": 0.75, "warmup": 0.2},
        ),
        Method(
            "confidence-release",
            "The confidence loss as OpenAI's released code computes it.",
            "openai/weak-to-strong",
            loss="confidence-release",
            loss_options={"weight": 0.5, "warmup": 0.1},
            requires=("shared-options",),
        ),
        Method(
            "bootstrapping",
            "A chain of models of growing size, each labelling fresh rows for the next.",
            f"{BURNS}, section 4.3.1",
            chain=True,
            control="bootstrapping-control",
            requires=("models-between",),
        ),
        Method(
            "bootstrapping-control",
            "Naive, on all the rows that the chain uses: the same labels bought from the supervisor.",
            "compute control of bootstrapping",
            links=True,
            requires=("models-between",),
        ),
        Method(
            "bootstrapping-hard",
            "Bootstrapping with hard labels, as the paper does for chess.",
            f"{BURNS}, section 4.3.1",
            labels="hard",
            chain=True,
            control="bootstrapping-control-hard",
            requires=("models-between",),
        ),
        Method(
            "bootstrapping-control-hard",
            "Naive with hard labels, on all the rows that the chain uses.",
            "compute control of bootstrapping-hard",
            labels="hard",
            links=True,
            requires=("models-between",),
        ),
    )
}


def find_method(name: str) -> Method:
    """Return the method of this name; UsageError names the nearest ones."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def check_method(method: Method, task: Task) -> None:
    """Raise UsageError where the task lacks what the method requires."""
    if "shared-options" in method.requires and not task.shared:
        raise UsageError(
            f"the method {method.name} needs the same classes in every row; {task.name} has exchangeable options"
        )
