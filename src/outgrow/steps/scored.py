"""What a record keeps of predictions on test rows: tables are made from this alone. No torch."""

from typing import Any

import numpy as np

from outgrow.examples import Examples, Labels
from outgrow.metrics import expected_calibration_error
from outgrow.tasks import Task


def scored(task: Task, labels: Labels, examples: Examples) -> dict[str, Any]:
    """Return accuracy, the predictions, which are right, calibration and the family's own figures."""
    correct_N = labels.predicted() == examples.truth_N
    return {
        "accuracy": float(correct_N.mean()),
        "predicted": labels.predicted().tolist(),
        "correct": "".join("1" if each else "0" for each in correct_N),
        "log_loss": _log_loss(labels, examples),
        "calibration_error": expected_calibration_error(labels.probabilities_NT[:, 0], correct_N),
        **task.diagnose(labels, examples),
    }


def _log_loss(labels: Labels, examples: Examples) -> float:
    """Return the mean of -log(probability of the right option), probabilities clipped at 1e-8, in nats."""
    right_N = labels.dense()[np.arange(len(examples)), examples.truth_N]
    return float(-np.log(np.clip(right_N, 1e-8, 1.0)).mean(dtype=np.float64))
