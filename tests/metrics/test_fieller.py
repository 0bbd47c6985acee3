import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from outgrow.metrics import PgrInterval, contrast_interval, fieller_interval
from outgrow.seeds import generator

NUM_GROUPS = 12
GROUPS_N = np.arange(NUM_GROUPS)
seeds = st.integers(0, 10_000)


def drawn(seed: int, *, gap: float, num_seeds: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Gain and gap per seed and row, crossed effects, true ratio one half."""
    rng = generator(seed, "fieller", num_seeds)
    shape = (2, num_seeds, NUM_GROUPS)
    noise = rng.normal(size=(2, num_seeds, 1)) * 0.3 + rng.normal(size=(2, 1, NUM_GROUPS)) + rng.normal(size=shape)
    return noise[0] + gap / 2, noise[1] + gap


def holds(found: PgrInterval, theta: float) -> bool:
    if found.low is None or found.high is None:
        return found.kind == "everything"
    between = found.low <= theta <= found.high
    return between if found.kind == "interval" else not between


def close(found: PgrInterval, expected: PgrInterval, *, rtol: float = 1e-6) -> None:
    assert found.kind == expected.kind
    for name in ("pgr", "low", "high"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or ours == pytest.approx(theirs, rel=rtol, abs=1e-9)


@pytest.mark.parametrize("num_seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_set_is_that_of_a_grid_of_contrasts(seed, gap, num_seeds):
    gain_SN, gap_SN = drawn(seed, gap=gap, num_seeds=num_seeds)
    found = fieller_interval(gain_SN, gap_SN, groups_N=GROUPS_N)
    ends = [end for end in (found.low, found.high) if end is not None]
    for theta in np.tan(np.linspace(-1.57, 1.57, 300)):
        contrast = contrast_interval(gain_SN - theta * gap_SN, GROUPS_N)
        if all(abs(theta - end) > 1e-6 * (1 + abs(end)) for end in ends):
            assert holds(found, theta) == (contrast.low <= 0 <= contrast.high)
    # The ends themselves: zero is an end of the contrast's interval there.
    for theta in ends:
        contrast = contrast_interval(gain_SN - theta * gap_SN, GROUPS_N)
        nearest = min(abs(contrast.low), abs(contrast.high))
        assert nearest < 1e-6 * (contrast.high - contrast.low)


def test_the_draws_above_meet_every_kind_of_set():
    kinds = {fieller_interval(*drawn(s, gap=g), groups_N=GROUPS_N).kind for s in range(4) for g in (0.0, 0.5, 1.0, 4.0)}
    assert kinds == {"interval", "complement", "everything"}


@pytest.mark.parametrize("seed", range(5))
def test_one_seed_is_the_closed_form(seed):
    (gain,), (gap,) = drawn(seed, gap=4.0, num_seeds=1)
    factor = stats.t.ppf(0.975, NUM_GROUPS - 1) ** 2 / NUM_GROUPS
    covariance = np.cov(gain, gap)
    a = gap.mean() ** 2 - factor * covariance[1, 1]
    b = -2 * (gain.mean() * gap.mean() - factor * covariance[0, 1])
    c = gain.mean() ** 2 - factor * covariance[0, 0]
    found = fieller_interval(gain[None], gap[None], groups_N=GROUPS_N)
    assert_allclose((found.low, found.high), sorted(np.roots([a, b, c])))
    assert found.pgr == pytest.approx(gain.mean() / gap.mean())


@given(seeds, st.sampled_from([0.0, 1.0, 4.0]), st.floats(0.01, 100), st.sampled_from([-1, 1]))
@settings(max_examples=30)
def test_units_change_nothing(seed, gap, scale, sign):
    gain_SN, gap_SN = drawn(seed, gap=gap)
    before = fieller_interval(gain_SN, gap_SN, groups_N=GROUPS_N)
    close(fieller_interval(sign * scale * gain_SN, sign * scale * gap_SN, groups_N=GROUPS_N), before)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("scale", [-1, 1e-5, 1e5])
@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_gain_in_another_unit_has_the_set_in_that_unit(seed, gap, scale, sign):
    gain_SN, gap_SN = drawn(seed, gap=gap)
    before = fieller_interval(gain_SN, gap_SN, groups_N=GROUPS_N)
    after = fieller_interval(sign * scale * gain_SN, sign * gap_SN, groups_N=GROUPS_N)
    assert after.kind == before.kind
    assert after.pgr == pytest.approx(scale * before.pgr)
    if before.low is not None:
        assert_allclose((after.low, after.high), sorted((scale * before.low, scale * before.high)), rtol=1e-5)


@given(seeds)
@settings(max_examples=30)
def test_the_opposite_recovery_is_one_minus_the_set(seed):
    gain_SN, gap_SN = drawn(seed, gap=20.0)
    before = fieller_interval(gain_SN, gap_SN, groups_N=GROUPS_N)
    after = fieller_interval(gap_SN - gain_SN, gap_SN, groups_N=GROUPS_N)
    assert before.kind == after.kind == "interval"
    assert_allclose((after.low, after.pgr, after.high), 1 - np.array([before.high, before.pgr, before.low]), rtol=1e-6)


@given(seeds)
@settings(max_examples=30)
def test_turning_the_ratio_over_turns_its_set_over(seed):
    gain_SN, gap_SN = drawn(seed, gap=20.0)
    before = fieller_interval(gain_SN, gap_SN, groups_N=GROUPS_N)
    after = fieller_interval(gap_SN, gain_SN, groups_N=GROUPS_N)
    assert before.low is not None
    assert before.low > 0
    assert_allclose((after.low, after.pgr, after.high), 1 / np.array([before.high, before.pgr, before.low]), rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_gain_that_is_a_fixed_share_of_the_gap_in_every_row_is_a_point(share):
    _, gap_SN = drawn(0, gap=4.0)
    found = fieller_interval(share * gap_SN, gap_SN, groups_N=GROUPS_N)
    assert found.kind == "interval"
    assert_allclose((found.low, found.pgr, found.high), share, atol=1e-9)
    assert found.low <= found.pgr <= found.high


def test_a_fixed_share_of_a_gap_that_may_be_zero_is_everything():
    _, gap_SN = drawn(0, gap=0.0)
    assert fieller_interval(gap_SN, gap_SN, groups_N=GROUPS_N).kind == "everything"


def test_nothing_varies_gives_a_point():
    found = fieller_interval(np.full((3, 4), 0.1), np.full((3, 4), 0.3), groups_N=np.arange(4))
    assert_allclose((found.low, found.pgr, found.high), 1 / 3)


@pytest.mark.parametrize("width", [1e-3, 1e-6])
def test_a_narrow_set_is_found(width):
    gain_SN, gap_SN = drawn(1, gap=0.0)
    found = fieller_interval(0.5 + width * gain_SN, 1 + width * gap_SN, groups_N=GROUPS_N)
    contrast = contrast_interval(width * (gain_SN - found.pgr * gap_SN), GROUPS_N)
    assert found.high - found.low == pytest.approx(contrast.high - contrast.low, rel=0.01)


def test_no_gap_in_any_row_leaves_every_ratio_or_none():
    gain_SN, _ = drawn(2, gap=0.0)
    zero_SN = np.zeros_like(gain_SN)
    unclear = fieller_interval(gain_SN - gain_SN.mean(), zero_SN, groups_N=GROUPS_N)
    clear = fieller_interval(gain_SN + 100, zero_SN, groups_N=GROUPS_N)
    assert (unclear.pgr, unclear.kind, str(unclear)) == (None, "everything", "none [unbounded]")
    assert (clear.pgr, clear.kind, str(clear)) == (None, "nothing", "none [undefined]")


def test_a_gap_of_zero_on_average_has_no_ratio_and_an_unbounded_set():
    gap_SN = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 1.0, -1.0, 0.0]])
    for gain_SN in (np.full((2, 4), 0.5), np.zeros((2, 4))):
        found = fieller_interval(gain_SN, gap_SN, groups_N=np.arange(4))
        assert found.pgr is None
        assert not found.bounded


def test_text_of_a_bounded_set():
    assert str(PgrInterval(pgr=0.521, low=0.309, high=0.8, bounded=True, kind="interval")) == "0.52 [0.31, 0.80]"
    assert str(PgrInterval(pgr=0.521, low=0.309, high=0.8, bounded=False, kind="complement")) == "0.52 [unbounded]"


def test_unpaired_quantities_are_refused():
    with pytest.raises(ValueError, match="pair"):
        fieller_interval(np.zeros((3, 4)), np.zeros((2, 4)), groups_N=np.arange(4))
