import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from outgrow.metrics import contrast_interval, median_pgr, pgr_interval, ratio_of_mean_gains, summarize
from outgrow.seeds import generator

NUM_ROWS = 300
GROUPS_N = np.arange(NUM_ROWS) // 2
seeds = st.integers(0, 10_000)


def drawn(seed: int, accuracies: tuple[float, ...] = (0.6, 0.75, 0.9), *, num_seeds: int = 3) -> np.ndarray:
    """Correctness (model, seed, row) at these accuracies, with a difficulty per row that the models share."""
    rng = generator(seed, "pgr", num_seeds)
    luck = (rng.random((1, 1, NUM_ROWS)) + 0.2 * rng.random((len(accuracies), num_seeds, NUM_ROWS))) / 1.2
    return (luck < np.array(accuracies)[:, None, None]).astype(float)


def summary(models: np.ndarray, zero_shot_N: np.ndarray | None = None):
    weak, student, ceiling = models
    return summarize(weak_SN=weak, student_SN=student, ceiling_SN=ceiling, zero_shot_N=zero_shot_N, groups_N=GROUPS_N)


def interval(models: np.ndarray):
    weak, student, ceiling = models
    return pgr_interval(weak_SN=weak, student_SN=student, ceiling_SN=ceiling, groups_N=GROUPS_N)


def test_pgr_is_the_share_of_the_gap_between_the_means():
    models = drawn(0)
    weak, student, ceiling = models.mean(axis=(1, 2))
    found = summary(models)
    assert found.pgr.pgr == pytest.approx((student - weak) / (ceiling - weak))
    assert (found.weak.mean, found.student.mean, found.ceiling.mean) == pytest.approx((weak, student, ceiling))
    assert found.pgr == interval(models)
    assert found.pgr.low < 0.5 < found.pgr.high


@given(seeds, st.floats(-3, 3), st.floats(0.1, 10))
@settings(max_examples=30)
def test_pgr_is_the_same_on_any_scale_of_the_score(seed, shift, scale):
    models = drawn(seed)
    before, after = interval(models), interval(shift + scale * models)
    assert after.kind == before.kind
    assert (after.pgr, after.low, after.high) == pytest.approx((before.pgr, before.low, before.high), rel=1e-6)


@given(seeds)
@settings(max_examples=30)
def test_order_of_seeds_rows_and_groups_change_nothing(seed):
    models, rng = drawn(seed), generator(seed, "order")
    rows, order = rng.permutation(NUM_ROWS), rng.permutation(3)
    weak, student, ceiling = models[:, order][:, :, rows]
    after = pgr_interval(weak_SN=weak, student_SN=student, ceiling_SN=ceiling, groups_N=(1000 - GROUPS_N)[rows])
    before = interval(models)
    assert (after.pgr, after.low, after.high) == pytest.approx((before.pgr, before.low, before.high), rel=1e-9)


def test_without_zero_shot_the_floor_is_weak_and_net_pgr_is_pgr():
    found = summary(drawn(1))
    assert (found.floor_name, found.zero_shot, found.net_pgr, found.net_pgr_reason) == ("weak", None, found.pgr, None)
    assert found.gain.mean == pytest.approx(found.student.mean - found.weak.mean)


def test_a_zero_shot_above_weak_is_the_floor():
    models = drawn(2)
    zero_shot_N = drawn(2, (0.8,), num_seeds=1)[0, 0]
    found = summary(models, zero_shot_N)
    gain_SN = models[1] - zero_shot_N
    assert found.floor_name == "zero-shot"
    assert found.zero_shot == contrast_interval(zero_shot_N[None], GROUPS_N)
    assert found.zero_shot.rows_only
    assert found.gain == contrast_interval(gain_SN, GROUPS_N)
    assert found.gain.mean < 0 < found.pgr.pgr
    assert found.net_pgr.pgr == pytest.approx(gain_SN.mean() / (models[2] - zero_shot_N).mean())


def test_a_zero_shot_not_above_weak_is_shown_and_is_no_floor():
    models = drawn(3)
    tied_N = models[0, 0]
    for zero_shot_N in (np.zeros(NUM_ROWS), tied_N):
        found = summary(np.stack([np.tile(tied_N, (3, 1)), *models[1:]]), zero_shot_N)
        assert found.floor_name == "weak"
        assert found.zero_shot.mean == zero_shot_N.mean()


def test_net_pgr_is_none_with_a_reason_where_the_ceiling_is_not_above_the_floor():
    found = summary(drawn(4), np.ones(NUM_ROWS))
    assert found.net_pgr is None
    assert "zero-shot" in found.net_pgr_reason
    assert found.pgr.pgr is not None


def test_a_ceiling_equal_to_weak_has_no_pgr():
    weak, student, _ = drawn(5)
    found = summary(np.stack([weak, student, weak]))
    assert (found.pgr.pgr, found.pgr.bounded, found.net_pgr) == (None, False, None)
    # The same accuracy from other rows: no ratio either, and not one with a denominator of rounding errors.
    assert interval(np.stack([weak, student, np.roll(weak, 1, axis=1)])).pgr is None


def test_one_seed_says_so():
    found = summary(drawn(6, num_seeds=1))
    assert found.student.rows_only
    assert found.gain.rows_only
    assert found.pgr.bounded


@pytest.mark.parametrize("accuracies", [(0.6, 0.75, 0.9), (0.7, 0.7, 0.7), (1.0, 1.0, 1.0), (0.9, 0.8, 0.6)])
@pytest.mark.parametrize("num_seeds", [1, 3])
def test_a_summary_is_plain_json_whatever_the_data(accuracies, num_seeds):
    for zero_shot_N in (None, drawn(7, (0.65,), num_seeds=1)[0, 0]):
        found = asdict(summary(drawn(7, accuracies, num_seeds=num_seeds), zero_shot_N))
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert_plain(found)


def assert_plain(value) -> None:
    if isinstance(value, dict):
        for item in value.values():
            assert_plain(item)
    else:
        assert type(value) in (float, int, bool, str, type(None))


def test_models_of_other_seeds_or_rows_are_refused():
    weak, student, ceiling = drawn(8)
    with pytest.raises(ValueError, match="share seeds and rows"):
        pgr_interval(weak_SN=weak[:2], student_SN=student, ceiling_SN=ceiling, groups_N=GROUPS_N)
    with pytest.raises(ValueError, match="zero_shot_N"):
        summary(drawn(8), np.ones(3))


def test_the_ratio_of_mean_gains_weighs_comparisons_by_their_gap():
    assert ratio_of_mean_gains(weaks=[0.5, 0.6], students=[0.6, 0.6], ceilings=[0.7, 0.9]) == pytest.approx(0.1 / 0.5)
    assert ratio_of_mean_gains(weaks=[0.5], students=[0.6], ceilings=[0.5]) is None


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_the_ratio_of_mean_gains_does_not_depend_on_order(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    (weaks, students, gaps), other = np.array(rows).T, np.array(shuffled).T
    before = ratio_of_mean_gains(weaks=weaks, students=students, ceilings=weaks + gaps + 0.1)
    after = ratio_of_mean_gains(weaks=other[0], students=other[1], ceilings=other[0] + other[2] + 0.1)
    assert_allclose(before, after)


@pytest.mark.parametrize(
    ("weaks", "students", "ceilings"), [([], [], []), ([0.5], [0.5, 0.6], [0.5]), ([0.5], [np.nan], [0.6])]
)
def test_a_ratio_of_nothing_is_refused(weaks, students, ceilings):
    with pytest.raises(ValueError, match="weaks"):
        ratio_of_mean_gains(weaks=weaks, students=students, ceilings=ceilings)


def test_the_median_counts_what_it_leaves_out():
    assert median_pgr([0.1, None, 0.9, 0.3]) == (0.3, 3, 1)
    assert median_pgr([None, None]) == (None, 0, 2)
    assert median_pgr([]) == (None, 0, 0)
    with pytest.raises(ValueError, match="not finite"):
        median_pgr([0.1, float("inf")])
