import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from outgrow.metrics import brier_score, expected_calibration_error, negative_log_likelihood
from outgrow.seeds import generator

seeds = st.integers(0, 10_000)


def drawn(seed: int, *, rows: int = 40, options: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(seed, "calibration")
    return rng.dirichlet(np.full(options, 0.5), size=rows), rng.integers(options, size=rows)


def reference_ece(confidence: np.ndarray, correct: np.ndarray, num_bins: int) -> float:
    total = 0.0
    for index in range(num_bins):
        lower, upper = index / num_bins, (index + 1) / num_bins
        members = [n for n, c in enumerate(confidence) if lower < c <= upper or (index == 0 and c == 0)]
        if members:
            gap = np.mean([correct[n] for n in members]) - np.mean([confidence[n] for n in members])
            total += len(members) / len(confidence) * abs(gap)
    return total


@given(seeds, st.integers(1, 20))
def test_calibration_error_matches_the_literal_sum_over_bins(seed, num_bins):
    probs, truth = drawn(seed)
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == truth
    found = expected_calibration_error(confidence, correct, num_bins=num_bins)
    assert_allclose(found, reference_ece(confidence, correct, num_bins), atol=1e-12)


def test_calibration_error_is_zero_when_each_bin_is_as_right_as_it_is_sure():
    assert expected_calibration_error([0.75] * 4 + [1.0, 0.0], [1, 1, 1, 0, 1, 0]) == pytest.approx(0)
    assert expected_calibration_error([1.0, 1.0], [0, 0]) == pytest.approx(1)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    assert expected_calibration_error([0.5, 0.4], [1, 0], num_bins=2) == pytest.approx(0.05)


@given(seeds)
def test_brier_and_log_likelihood_match_loops_over_rows(seed):
    probs, truth = drawn(seed)
    squares, logs = [], []
    for row, true in zip(probs, truth, strict=True):
        squares.append(sum((p - (k == true)) ** 2 for k, p in enumerate(row)))
        logs.append(-np.log(max(row[true], 1e-8)))
    assert_allclose(brier_score(probs, truth), np.mean(squares))
    assert_allclose(negative_log_likelihood(probs, truth), np.mean(logs))


@given(seeds)
def test_swapping_options_and_padding_change_nothing(seed):
    probs, truth = drawn(seed)
    order = np.array([3, 1, 0, 2])
    swapped = np.concatenate([probs[:, order], np.zeros((len(probs), 2))], axis=1)
    for score in (brier_score, negative_log_likelihood):
        assert_allclose(score(swapped, np.argsort(order)[truth]), score(probs, truth))


def test_a_certain_wrong_answer_costs_a_finite_amount():
    assert negative_log_likelihood([[1.0, 0.0]], [1]) == pytest.approx(-np.log(1e-8))
    assert brier_score([[1.0, 0.0]], [1]) == pytest.approx(2)


@pytest.mark.parametrize("score", [brier_score, negative_log_likelihood])
@pytest.mark.parametrize(
    ("probs", "truth", "named"),
    [
        ([[0.5, 0.5]], [2], "truth_B"),
        ([[0.5, 0.5]], [-1], "truth_B"),
        ([[0.5, 0.5]], [0, 1], "truth_B"),
        ([[2.0, -1.0]], [0], "probs_BK"),
        ([[0.2, 0.2]], [0], "probs_BK"),
        ([[np.nan, 1.0]], [0], "probs_BK"),
    ],
)
def test_what_is_no_probability_is_refused_by_name(score, probs, truth, named):
    with pytest.raises(ValueError, match=named):
        score(probs, truth)


@pytest.mark.parametrize(("confidence", "correct"), [([], []), ([0.5], [1, 0]), ([1.5], [1]), ([np.nan], [1])])
def test_what_is_no_confidence_is_refused_by_name(confidence, correct):
    with pytest.raises(ValueError, match="confidence_N"):
        expected_calibration_error(confidence, correct)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="num_bins"):
        expected_calibration_error([0.5], [1], num_bins=0)
