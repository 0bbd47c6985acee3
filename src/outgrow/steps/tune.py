"""Step: the learning rate of one model on one task, from finished finetuning runs over a fixed grid."""

from typing import Any

from outgrow.dag.work import Context


def tune(context: Context) -> dict[str, Any]:
    """Choose the rate with the best accuracy on the tune split's held-back part; of equal ones the lowest."""
    runs = sorted((each.outputs["lr"], each.outputs["test"]["accuracy"]) for each in context.inputs.values())
    lr = max(runs, key=lambda run: (run[1], -run[0]))[0]
    return {
        "lr": lr,
        "accuracy": {f"{rate:g}": accuracy for rate, accuracy in runs},
        "at_edge": lr in (runs[0][0], runs[-1][0]),
    }
