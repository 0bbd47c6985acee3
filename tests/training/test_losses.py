"""Every loss against a ten-line numpy reference, and what it must not do."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import StepError
from outgrow.training.losses import LOSSES, Moment, confidence, confidence_release, cross_entropy, harden

CONFIDENCE = {"weight": 0.5, "warmup": 0.2}
RELEASE = {"weight": 0.5, "warmup": 0.1}


def softmax(logits_BK):
    powers_BK = np.exp(logits_BK - logits_BK.max(1, keepdims=True))
    return powers_BK / powers_BK.sum(1, keepdims=True)


def reference_ce(logits_BK, targets_BK):
    return -(targets_BK * np.log(softmax(logits_BK))).sum(1).mean()


def reference_harden(logits_BK, prior):
    """Give class 1 to exactly round(B x prior) rows: those with the largest margin, earlier rows first at a tie."""
    margin_B = logits_BK[:, 1] - logits_BK[:, 0]
    by_margin = sorted(range(len(margin_B)), key=lambda row: (-margin_B[row], row))
    hardened_BK = np.tile([1.0, 0.0], (len(margin_B), 1))
    hardened_BK[by_margin[: round(len(margin_B) * prior)]] = [0.0, 1.0]
    return hardened_BK


def reference_confidence(logits_BK, targets_BK, *, a, prior=0.5):
    return reference_ce(logits_BK, (1 - a) * targets_BK + a * reference_harden(logits_BK, prior))


def reference_release(logits_BK, targets_BK, progress, *, weight, warmup):
    """Restate loss.py of openai/weak-to-strong."""
    coef = (1.0 if progress > warmup else progress) * weight
    preds_BK = softmax(logits_BK)
    threshold = np.quantile(preds_BK[:, 0], targets_BK.mean(0)[1])
    strong_BK = np.stack([preds_BK[:, 0] >= threshold, preds_BK[:, 0] < threshold], 1)
    return reference_ce(logits_BK, targets_BK * (1 - coef) + strong_BK * coef)


def batch(rng, size=16, num_options=2):
    logits_BK = rng.normal(size=(size, num_options)) * 2
    return logits_BK, rng.dirichlet(np.ones(num_options), size)


def tensors(*arrays):
    return [torch.tensor(each, dtype=torch.float64) for each in arrays]


@given(st.integers(0, 1_000), st.integers(2, 30))
def test_cross_entropy(seed, num_options):
    logits_BK, targets_BK = batch(np.random.default_rng(seed), num_options=num_options)
    for now in (Moment(0.0, shared=True), Moment(0.9, shared=False)):
        value = cross_entropy(*tensors(logits_BK, targets_BK), now)
        assert float(value) == pytest.approx(reference_ce(logits_BK, targets_BK))


@given(st.integers(0, 1_000), st.integers(8, 40), st.floats(0.1, 0.9))
def test_hardening_is_by_rank_against_the_prior(seed, size, prior):
    if size * min(prior, 1 - prior) < 4:
        return
    logits_BK, _ = batch(np.random.default_rng(seed), size)
    hardened_BK = harden(*tensors(logits_BK), shared=True, prior=prior)
    np.testing.assert_array_equal(hardened_BK.numpy(), reference_harden(logits_BK, prior))
    assert int(hardened_BK[:, 1].sum()) == round(size * prior)


def test_ties_are_broken_by_rank_so_the_share_is_exact():
    logits_BK = torch.zeros(10, 2)
    assert harden(logits_BK, shared=True, prior=0.5)[:, 1].tolist() == [1] * 5 + [0] * 5
    assert harden(logits_BK, shared=True, prior=0.4)[:, 1].tolist() == [1] * 4 + [0] * 6


def test_the_share_is_a_statistic_of_the_batch_not_of_a_threshold():
    logits_BK = torch.stack([torch.zeros(8), -10 - torch.arange(8.0)], 1)  # the student is sure that all are class 0
    assert harden(logits_BK, shared=True, prior=0.5)[:, 1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


@given(st.integers(0, 1_000))
def test_swapping_two_balanced_classes_swaps_the_hardened_rows(seed):
    (logits_BK,) = tensors(batch(np.random.default_rng(seed), 20)[0])
    hardened_BK = harden(logits_BK, shared=True, prior=0.5)
    swapped_BK = harden(logits_BK.flip(1), shared=True, prior=0.5)
    assert swapped_BK.flip(1).equal(hardened_BK)


@given(st.integers(0, 1_000))
def test_exchangeable_options_are_hardened_alone_and_without_a_prior(seed):
    (logits_BK,) = tensors(batch(np.random.default_rng(seed), 6, num_options=5)[0])
    hardened_BK = harden(logits_BK, shared=False, prior=0.01)
    assert hardened_BK.argmax(1).tolist() == logits_BK.argmax(1).tolist()
    assert hardened_BK.sum() == 6
    order = np.random.default_rng(seed).permutation(5)
    assert harden(logits_BK[:, order], shared=False, prior=0.5).equal(hardened_BK[:, order])


@pytest.mark.parametrize(("size", "prior"), [(7, 0.5), (16, 0.2), (16, 0.8), (3, 0.5)])
def test_a_batch_too_small_to_be_a_statistic_is_refused(size, prior):
    with pytest.raises(StepError, match=r"raise training\.batch"):
        harden(torch.zeros(size, 2), shared=True, prior=prior)


def test_the_smallest_batch_that_is_a_statistic_is_not_refused():
    assert harden(torch.zeros(8, 2), shared=True, prior=0.5).shape == (8, 2)


def test_more_than_two_shared_classes_are_refused():
    with pytest.raises(StepError, match="two shared classes, this task has 3"):
        harden(torch.zeros(32, 3), shared=True, prior=0.5)


@pytest.mark.parametrize(("progress", "a"), [(0.0, 0.0), (0.1, 0.25), (0.2, 0.5), (0.5, 0.5), (0.99, 0.5)])
@pytest.mark.parametrize("prior", [0.5, 0.3])
def test_the_confidence_loss_warms_up_linearly_and_then_stays(rng, progress, a, prior):
    logits_BK, targets_BK = batch(rng)
    value = confidence(*tensors(logits_BK, targets_BK), Moment(progress, shared=True, prior=prior), **CONFIDENCE)
    assert float(value) == pytest.approx(reference_confidence(logits_BK, targets_BK, a=a, prior=prior))


def test_the_confidence_loss_on_exchangeable_options(rng):
    logits_BK, targets_BK = batch(rng, num_options=6)
    value = confidence(*tensors(logits_BK, targets_BK), Moment(0.5, shared=False), **CONFIDENCE)
    target_BK = 0.5 * targets_BK + 0.5 * np.eye(6)[logits_BK.argmax(1)]
    assert float(value) == pytest.approx(reference_ce(logits_BK, target_BK))


@pytest.mark.parametrize("progress", [0.0, 0.05, 0.1, 0.1001, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_released_loss_is_that_of_the_release(progress, seed):
    logits_BK, targets_BK = batch(np.random.default_rng(seed))
    value = confidence_release(*tensors(logits_BK, targets_BK), Moment(progress, shared=True), **RELEASE)
    assert float(value) == pytest.approx(reference_release(logits_BK, targets_BK, progress, **RELEASE))


def test_the_released_coefficient_jumps_after_its_warm_up(rng):
    logits_BK, targets_BK = tensors(*batch(rng))
    values = {
        progress: float(confidence_release(logits_BK, targets_BK, Moment(progress, shared=True), **RELEASE))
        for progress in (0.0, 0.1, 0.11, 0.9)
    }
    assert values[0.9] == values[0.11]
    early, jump = values[0.1] - values[0.0], values[0.11] - values[0.0]
    assert early == pytest.approx(jump / 10)  # 0.5 x 0.1 before, 0.5 after


def test_the_released_loss_refuses_what_it_is_not_defined_for():
    for moment, num_options in ((Moment(0.5, shared=False), 2), (Moment(0.5, shared=True), 3)):
        with pytest.raises(StepError, match="two shared classes only"):
            confidence_release(torch.zeros(16, num_options), torch.zeros(16, num_options), moment, **RELEASE)


@pytest.mark.parametrize(("loss", "options"), [(confidence, CONFIDENCE), (confidence_release, RELEASE)])
def test_no_gradient_flows_through_the_target(rng, loss, options):
    logits_BK, targets_BK = tensors(*batch(rng))
    now = Moment(0.5, shared=True)
    logits_BK.requires_grad_(True)
    loss(logits_BK, targets_BK, now, **options).backward()
    # At half of training the target is half the label, half a hardened prediction: hold it fixed.
    if loss is confidence:
        hardened_BK = torch.tensor(reference_harden(logits_BK.detach().numpy(), 0.5))
    else:
        zero_B = logits_BK.detach().softmax(1)[:, 0]
        is_zero_B = (zero_B >= zero_B.quantile(targets_BK[:, 1].mean())).double()
        hardened_BK = torch.stack([is_zero_B, 1 - is_zero_B], 1)
    fixed_BK = 0.5 * targets_BK + 0.5 * hardened_BK
    torch.testing.assert_close(logits_BK.grad, (logits_BK.detach().softmax(1) - fixed_BK) / len(targets_BK))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_finite_where_the_student_is_sure(name):
    options = {"cross-entropy": {}, "confidence": CONFIDENCE, "confidence-release": RELEASE}[name]
    logits_BK = torch.tensor([[80.0, -80.0]] * 8 + [[-80.0, 80.0]] * 8)
    targets_BK = torch.tensor([[0.0, 1.0]] * 8 + [[1.0, 0.0]] * 8)
    assert torch.isfinite(LOSSES[name](logits_BK, targets_BK, Moment(0.5, shared=True), **options))
