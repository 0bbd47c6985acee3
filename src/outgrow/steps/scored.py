"""What a record keeps of predictions on test rows: tables are made from this alone. No torch."""

from typing import Any, Literal

import numpy as np

from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels
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


def scored_texts(task: Task, labels: TextLabels, examples: Examples) -> dict[str, Any]:
    """Return accuracy (exact match without blanks around), numbers of the texts, which are right, the task's figures.

    Texts have no probabilities, hence no calibration.
    """
    truth = (text.strip() for text in examples.answers)
    correct_N = np.array([mine == right for mine, right in zip(labels.texts, truth, strict=True)], bool)
    return {
        "accuracy": float(correct_N.mean()),
        "predicted": labels.predicted().tolist(),
        "correct": "".join("1" if each else "0" for each in correct_N),
        **task.diagnose_texts(labels, examples),
    }


def natural_figure(
    kind: Literal["accuracy", "question"],
    probabilities_NK: np.ndarray,
    truth_N: np.ndarray,
    questions_N: np.ndarray,
) -> float:
    """Return accuracy on rows in their natural mix, or the share of questions whose right answer scores highest.

    For `question` the rows are (question, answer) and class 1 says that the answer is right; of equal scores the
    first row counts.
    """
    if kind == "accuracy":
        return float((probabilities_NK.argmax(1) == truth_N).mean())
    best: dict[int, int] = {}
    for row, question in enumerate(questions_N.tolist()):
        if question not in best or probabilities_NK[row, 1] > probabilities_NK[best[question], 1]:
            best[question] = row
    return float(np.mean([truth_N[row] == 1 for row in best.values()]))


def _log_loss(labels: Labels, examples: Examples) -> float:
    """Return the mean of -log(probability of the right option), probabilities clipped at 1e-8, in nats."""
    right_N = labels.dense()[np.arange(len(examples)), examples.truth_N]
    return float(-np.log(np.clip(right_N, 1e-8, 1.0)).mean(dtype=np.float64))
