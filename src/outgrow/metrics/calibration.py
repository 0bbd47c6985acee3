"""Calibration of predicted probabilities: expected calibration error, Brier score, negative log-likelihood.

Knows nothing of models or of how labels are stored: a caller that keeps the top options only spreads the remainder
first. The calibration error needs no more than the probability of the chosen option and whether it was right.
Shapes: B rows, K options; N rows of any number of options.
"""

import numpy as np
import numpy.typing as npt

# The clip of the losses, so that one row at probability zero gives a large number and not an infinite one.
MIN_PROBABILITY = 1e-8

Floats = npt.NDArray[np.float64]


def expected_calibration_error(confidence_N: npt.ArrayLike, correct_N: npt.ArrayLike, *, num_bins: int = 15) -> float:
    """Return the mean distance between confidence and accuracy over equal-width bins, weighted by rows.

    confidence_N: probability of the predicted option. correct_N: whether that option is the true one (0 or 1).
    Bins are (lower, upper]; zero falls in the first. Raises ValueError for no rows, lengths that differ, or values
    outside [0, 1]. Source: Guo et al. 2017, equation 3.
    """
    confidence, correct = np.asarray(confidence_N, dtype=np.float64), np.asarray(correct_N, dtype=np.float64)
    if confidence.ndim != 1 or not len(confidence) or confidence.shape != correct.shape:
        raise ValueError(f"confidence_N {confidence.shape} and correct_N {correct.shape} must be of the same rows (N,)")
    if num_bins < 1:
        raise ValueError(f"num_bins is {num_bins}: give at least 1")
    _check_unit(confidence, "confidence_N")
    _check_unit(correct, "correct_N")
    bins_N = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins_N, weights=confidence - correct, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def brier_score(probs_BK: npt.ArrayLike, truth_B: npt.ArrayLike) -> float:
    """Return the mean over rows of the squared distance between the probabilities and the one-hot truth (0 to 2).

    Options a row does not have carry probability 0. Raises ValueError as `negative_log_likelihood` does.
    Source: Brier 1950, equation 2.
    """
    probs, truth = _checked(probs_BK, truth_B)
    true_B = np.take_along_axis(probs, truth[:, None], axis=1)[:, 0]
    return float(np.mean(np.einsum("bk,bk->b", probs, probs) - 2 * true_B + 1))


def negative_log_likelihood(probs_BK: npt.ArrayLike, truth_B: npt.ArrayLike) -> float:
    """Return the mean of -log of the true option's probability, in nats; probabilities are clipped at 1e-8.

    probs_BK: rows that sum to 1. truth_B: option indices. Raises ValueError for no rows, lengths that differ, an
    index without an option, and rows that are no probability vectors.
    """
    probs, truth = _checked(probs_BK, truth_B)
    true_B = np.take_along_axis(probs, truth[:, None], axis=1)[:, 0]
    return float(-np.log(np.maximum(true_B, MIN_PROBABILITY)).mean())


def _checked(probs_BK: npt.ArrayLike, truth_B: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.integer]]:
    probs, truth = np.asarray(probs_BK, dtype=np.float64), np.asarray(truth_B)
    if probs.ndim != 2 or not probs.size or truth.shape != probs.shape[:1]:
        raise ValueError(f"probs_BK {probs.shape} and truth_B {truth.shape} must be (B, K) and (B,) of the same rows")
    if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= probs.shape[1]:
        raise ValueError(f"truth_B must hold option indices from 0 to {probs.shape[1] - 1}")
    _check_unit(probs, "probs_BK")
    # Probabilities may come from half precision; a vector of logits is far outside this.
    if np.abs(probs.sum(axis=1) - 1).max() > 1e-2:
        raise ValueError("the rows of probs_BK must sum to 1: apply softmax, and spread what was not stored")
    return probs, truth


def _check_unit(values: Floats, name: str) -> None:
    if not (values.min() >= 0 and values.max() <= 1 + 1e-6):  # written so that a NaN fails too
        raise ValueError(f"{name} must lie between 0 and 1")
