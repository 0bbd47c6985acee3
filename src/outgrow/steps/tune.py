"""Step: the learning rate of one model on one task, from finished finetuning runs over a fixed grid."""

from statistics import fmean
from typing import Any

from outgrow.dag.work import Context


def tune(context: Context) -> dict[str, Any]:
    """Choose the rate with the best mean accuracy on the tune split's held-back part; of equal ones the lowest."""
    accuracies: dict[float, list[float]] = {}
    for run in context.inputs.values():
        accuracies.setdefault(run.outputs["lr"], []).append(run.outputs["test"]["accuracy"])
    means = {lr: fmean(found) for lr, found in sorted(accuracies.items())}
    lr = max(means, key=lambda rate: (means[rate], -rate))
    return {
        "lr": lr,
        "accuracy": {f"{rate:g}": mean for rate, mean in means.items()},
        "at_edge": lr in (min(means), max(means)),
    }
