"""Step: the learning rate of one model on one task, from finished finetuning runs over a fixed grid."""

from statistics import fmean
from typing import Any

from outgrow.dag.work import Context


def tune(context: Context) -> dict[str, Any]:
    """Choose the rate with the lowest mean log loss on the tune split's held-back rows; of equal ones the lowest.

    Not the best accuracy: on the 100 or 200 rows there are, that is a draw between neighbours.
    """
    runs: dict[float, list[dict[str, Any]]] = {}
    for run in context.inputs.values():
        runs.setdefault(run.outputs["lr"], []).append(run.outputs["test"])
    losses, accuracies = (
        {lr: fmean(test[name] for test in tests) for lr, tests in sorted(runs.items())}
        for name in ("log_loss", "accuracy")
    )
    lr = min(losses, key=lambda rate: (losses[rate], rate))
    return {
        "lr": lr,
        "log_loss": {f"{rate:g}": loss for rate, loss in losses.items()},
        "accuracy": {f"{rate:g}": accuracy for rate, accuracy in accuracies.items()},
        "at_edge": lr in (min(losses), max(losses)),
    }
