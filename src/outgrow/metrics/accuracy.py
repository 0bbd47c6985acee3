"""Accuracy and agreement on predicted option indices. Knows no probabilities and no intervals.

Shapes: N test rows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Agreement:
    """How often the student says what its supervisor says: a share per kind of row, None where there is no such row."""

    overall: float
    where_right: float | None
    where_wrong: float | None
    num_rows: int
    num_right: int
    num_wrong: int


def accuracy(predicted_N: npt.ArrayLike, truth_N: npt.ArrayLike, *, weights_N: npt.ArrayLike | None = None) -> float:
    """Return the share of rows whose predicted option is the true one, each row counted by its weight.

    predicted_N, truth_N: option indices. weights_N: not negative, any scale; None counts every row once.
    Raises ValueError for no rows, for lengths that differ, and for weights that are negative or sum to zero.
    """
    predicted, truth = _options(predicted_N, "predicted_N"), _options(truth_N, "truth_N")
    _same_rows(predicted, truth, "truth_N")
    weights = np.ones(len(predicted)) if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    _same_rows(predicted, weights, "weights_N")
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0):
        raise ValueError("weights_N must be finite and not negative, with a sum above zero")
    return float(weights @ (predicted == truth) / weights.sum())


def agreement(
    student_predicted_N: npt.ArrayLike, supervisor_predicted_N: npt.ArrayLike, *, truth_N: npt.ArrayLike
) -> Agreement:
    """Return how often student and supervisor agree: on all rows, where the supervisor is right, where it is wrong.

    All three are option indices of the same rows (Burns et al. 2023, section 5.1.3). Raises ValueError for no rows or
    lengths that differ.
    """
    student = _options(student_predicted_N, "student_predicted_N")
    supervisor = _options(supervisor_predicted_N, "supervisor_predicted_N")
    truth = _options(truth_N, "truth_N")
    _same_rows(student, supervisor, "supervisor_predicted_N")
    _same_rows(student, truth, "truth_N")
    agree, right = student == supervisor, supervisor == truth
    return Agreement(
        overall=float(agree.mean()),
        where_right=_share(agree[right]),
        where_wrong=_share(agree[~right]),
        num_rows=len(agree),
        num_right=int(right.sum()),
        num_wrong=int((~right).sum()),
    )


def _share(flags_N: npt.NDArray[np.bool_]) -> float | None:
    return float(flags_N.mean()) if len(flags_N) else None


def _options(values_N: npt.ArrayLike, name: str) -> npt.NDArray[np.integer]:
    values = np.asarray(values_N)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} has shape {values.shape}: give one option index per row, and at least one row")
    # A float here is nearly always a probability passed by mistake, which would compare as wrong without a word.
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{name} has type {values.dtype}: give option indices (integers), for instance an argmax")
    return values


def _same_rows(first_N: npt.NDArray[np.generic], other_N: npt.NDArray[np.generic], name: str) -> None:
    if first_N.shape != other_N.shape:
        raise ValueError(f"{name} has shape {other_N.shape}, not {first_N.shape}: join both by example id first")
