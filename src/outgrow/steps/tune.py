"""Step: the learning rate of one model on one task, or the penalty of its probe, from finished runs over a grid."""

from statistics import fmean
from typing import Any

from outgrow.dag.work import Context


def tune(context: Context) -> dict[str, Any]:
    """Choose the value with the lowest mean log loss on the tune split's held-back rows; of equal ones the lowest.

    Not the best accuracy: on the 100 or 200 rows there are, that is a draw between neighbours.
    """
    setting = context.spec.get("setting", "lr")
    runs: dict[float, list[dict[str, Any]]] = {}
    for run in context.inputs.values():
        runs.setdefault(run.outputs[setting], []).append(run.outputs["test"])
    losses, accuracies = (
        {value: fmean(test[name] for test in tests) for value, tests in sorted(runs.items())}
        for name in ("log_loss", "accuracy")
    )
    best = min(losses, key=lambda value: (losses[value], value))
    return {
        setting: best,
        "log_loss": {f"{value:g}": loss for value, loss in losses.items()},
        "accuracy": {f"{value:g}": accuracy for value, accuracy in accuracies.items()},
        "at_edge": best in (min(losses), max(losses)),
    }
