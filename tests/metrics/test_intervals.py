import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from outgrow.metrics import Estimate, contrast_interval
from outgrow.seeds import generator

seeds = st.integers(0, 10_000)


def drawn(seed: int, *, num_seeds: int = 3, num_groups: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Correctness and groups of unequal size, in mixed order."""
    rng = generator(seed, "intervals", num_seeds)
    groups = rng.permutation(np.repeat(np.arange(num_groups), rng.integers(1, 5, size=num_groups)))
    return (rng.random((num_seeds, len(groups))) < 0.6).astype(float), groups


def reference(d: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Mean, variance and df of cells d[s][g] by the formulas, one loop per sum."""
    num_seeds, num_groups = d.shape
    group = [sum(d[s][g] for s in range(num_seeds)) / num_seeds for g in range(num_groups)]
    seed = [sum(weights[g] * d[s][g] for g in range(num_groups)) / num_groups for s in range(num_seeds)]
    mean = sum(seed) / num_seeds
    ms_g = num_seeds * sum((weights[g] * (group[g] - mean)) ** 2 for g in range(num_groups)) / (num_groups - 1)
    ms_s = num_groups * sum((seed[s] - mean) ** 2 for s in range(num_seeds)) / (num_seeds - 1)
    cells = [(s, g) for s in range(num_seeds) for g in range(num_groups)]
    rest = sum((weights[g] * (d[s][g] - group[g] - seed[s] + mean)) ** 2 for s, g in cells)
    ms_gs = rest / ((num_groups - 1) * (num_seeds - 1))
    gs = num_groups * num_seeds
    variance = max(ms_g + ms_s - ms_gs, ms_g, ms_s, ms_gs) / gs
    parts = [(ms_g, num_groups - 1), (ms_s, num_seeds - 1), (ms_gs, (num_groups - 1) * (num_seeds - 1))]
    return mean, variance, variance**2 / sum((ms / gs) ** 2 / df for ms, df in parts)


def check(found: Estimate, mean: float, variance: float, df: float) -> None:
    assert_allclose((found.mean, found.variance, found.df), (mean, variance, df), rtol=1e-9)
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    assert_allclose((found.low, found.high), (mean - half, mean + half), rtol=1e-9)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_equal_groups_match_the_textbook(num_seeds):
    values_SN = generator(1, "equal", num_seeds).normal(size=(num_seeds, 21))
    groups_N = np.tile(np.arange(7), 3)
    cells_SG = values_SN.reshape(num_seeds, 3, 7).mean(axis=1)
    found = contrast_interval(values_SN, groups_N)
    check(found, *reference(cells_SG, np.ones(7)))
    assert (found.num_seeds, found.num_groups, found.rows_only) == (num_seeds, 7, False)


@given(seeds)
def test_unequal_groups_match_the_weighted_formulas(seed):
    values_SN, groups_N = drawn(seed)
    values_SN += generator(seed, "noise").normal(size=values_SN.shape)
    names, sizes_G = np.unique(groups_N, return_counts=True)
    cells_SG = np.array([[row[groups_N == name].mean() for name in names] for row in values_SN])
    check(contrast_interval(values_SN, groups_N), *reference(cells_SG, sizes_G / sizes_G.mean()))


@given(seeds)
def test_the_mean_is_that_of_all_rows(seed):
    values_SN, groups_N = drawn(seed)
    assert contrast_interval(values_SN, groups_N).mean == pytest.approx(values_SN.mean())


def test_one_seed_is_the_students_interval_over_groups_and_says_so():
    values_1N = generator(2, "one").normal(size=(1, 12))
    found = contrast_interval(values_1N, np.arange(12))
    low, high = stats.ttest_1samp(values_1N[0], 0).confidence_interval(0.95)
    assert_allclose((found.low, found.high, found.df), (low, high, 11))
    assert found.rows_only


def test_seeds_that_all_agree_leave_the_interval_of_one_seed():
    values_1N, groups_N = generator(3, "agree").normal(size=(1, 12)), np.arange(12)
    one, five = contrast_interval(values_1N, groups_N), contrast_interval(np.repeat(values_1N, 5, axis=0), groups_N)
    assert_allclose((five.low, five.high), (one.low, one.high))
    assert not five.rows_only


@given(seeds, st.integers(1, 4))
def test_order_of_rows_seeds_and_names_of_groups_change_nothing(seed, num_seeds):
    values_SN, groups_N = drawn(seed, num_seeds=num_seeds)
    rng = generator(seed, "order")
    rows, order = rng.permutation(len(groups_N)), rng.permutation(num_seeds)
    names_G = rng.choice(1000, size=5, replace=False) - 500
    before = contrast_interval(values_SN, groups_N)
    after = contrast_interval(values_SN[order][:, rows], names_G[groups_N][rows])
    assert_allclose((after.mean, after.low, after.high), (before.mean, before.low, before.high), atol=1e-12)


@given(seeds, st.integers(1, 4), st.floats(-5, 5), st.floats(-5, 5))
def test_shifting_shifts_and_scaling_scales(seed, num_seeds, shift, scale):
    values_SN, groups_N = drawn(seed, num_seeds=num_seeds)
    before = contrast_interval(values_SN, groups_N)
    after = contrast_interval(shift + scale * values_SN, groups_N)
    ends = sorted((shift + scale * before.low, shift + scale * before.high))
    assert_allclose((after.low, after.high), ends, atol=1e-9)


@given(seeds)
def test_repeating_every_row_within_its_group_changes_nothing(seed):
    values_SN, groups_N = drawn(seed)
    before, after = (
        contrast_interval(values_SN, groups_N),
        contrast_interval(np.tile(values_SN, 3), np.tile(groups_N, 3)),
    )
    assert_allclose((after.low, after.high), (before.low, before.high), atol=1e-12)


def test_more_rows_of_a_group_count_less_than_as_many_groups():
    values_SN = generator(4, "copies").normal(size=(1, 10))
    as_group = contrast_interval(np.repeat(values_SN, 4, axis=1), np.repeat(np.arange(10), 4))
    as_rows = contrast_interval(np.repeat(values_SN, 4, axis=1), np.arange(40))
    assert as_group.high - as_group.low > 1.5 * (as_rows.high - as_rows.low)


def test_nothing_varies_gives_a_point():
    found = contrast_interval(np.full((3, 8), 0.25), np.arange(8))
    assert (found.low, found.high, found.variance, found.df) == (0.25, 0.25, 0.0, 1.0)
    json.dumps(asdict(found), allow_nan=False)


def test_cells_that_cancel_along_seeds_and_groups_are_no_certainty():
    found = contrast_interval([[1.0, -1.0], [-1.0, 1.0]], [0, 1])
    assert found.mean == 0
    assert_allclose((found.variance, found.df, found.high), (1.0, 1.0, stats.t.ppf(0.975, 1)))


def test_a_higher_level_is_wider():
    values_SN, groups_N = drawn(5)
    assert contrast_interval(values_SN, groups_N, level=0.99).low < contrast_interval(values_SN, groups_N).low


@pytest.mark.parametrize(
    ("values", "groups", "named"),
    [
        ([[0.0, 1.0]], [3, 3], "group of its own"),
        ([0.0, 1.0], [0, 1], "values_SN"),
        (np.zeros((0, 2)), [0, 1], "values_SN"),
        ([[0.0, np.nan]], [0, 1], "values_SN"),
        ([[0.0, 1.0]], [0, 1, 2], "groups_N"),
        ([[0.0, 1.0]], [0.0, 1.0], "groups_N"),
    ],
)
def test_bad_input_is_refused_by_name(values, groups, named):
    with pytest.raises(ValueError, match=named):
        contrast_interval(values, groups)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_is_no_coverage_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        contrast_interval([[0.0, 1.0]], [0, 1], level=level)
