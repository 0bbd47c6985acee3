"""Every loss against a ten-line numpy reference, and what it must not do."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import StepError
from outgrow.examples import PAD_LOGIT, Labels
from outgrow.methods import METHODS
from outgrow.methods.method import LOSS_NAMES
from outgrow.training.losses import LOSSES, Moment, harden, moment_at_start

RISING = {"weight": 0.5, "warmup": 0.2}
RELEASE = {"weight": 0.5, "warmup": 0.1}
OPTIONS = {method.loss: method.loss_options for method in METHODS.values()} | {"confidence": RISING}
TWO_SHARED_CLASSES = {"confidence-release"}
TWO_OPTIONS = TWO_SHARED_CLASSES | {"l2-confidence"}
HALFWAY = Moment(0.5, shared=True, midweak=0.8)


def softmax(logits_BK):
    powers_BK = np.exp(logits_BK - logits_BK.max(1, keepdims=True))
    return powers_BK / powers_BK.sum(1, keepdims=True)


def ce(f_BK, t_BK):
    return -(t_BK * np.log(f_BK)).sum(1)


def one_hot(options_B, num_options):
    return np.eye(num_options)[options_B]


def reference_harden(f_BK, prior=0.5):
    """Give class 1 to exactly round(B x prior) rows: those where it is most probable, earlier rows first at a tie."""
    margin_B = np.log(f_BK[:, 1]) - np.log(f_BK[:, 0])
    by_margin = sorted(range(len(f_BK)), key=lambda row: (-margin_B[row], row))
    hardened_BK = np.tile([1.0, 0.0], (len(f_BK), 1))
    hardened_BK[by_margin[: round(len(f_BK) * prior)]] = [0.0, 1.0]
    return hardened_BK


def reference_release(f_BK, t_BK, a):
    zero_B = f_BK[:, 0] >= np.quantile(f_BK[:, 0], t_BK.mean(0)[1])
    return ce(f_BK, t_BK * (1 - a) + np.stack([zero_B, ~zero_B], 1) * a)


def reference_adaptive(f_BK, t_BK):
    """Restate Guo et al.: each row's own hardened prediction counts e^CE(f, own) / (e^CE(f, own) + e^CE(f, weak's))."""
    own_BK, weak_BK = one_hot(f_BK.argmax(1), f_BK.shape[1]), one_hot(t_BK.argmax(1), f_BK.shape[1])
    own_B, weak_B = np.exp(ce(f_BK, own_BK)), np.exp(ce(f_BK, weak_BK))
    a_B = own_B / (own_B + weak_B)
    return (1 - a_B) * ce(f_BK, t_BK) + a_B * ce(f_BK, own_BK)


def reference_product(f_BK, t_BK):
    product_BK = f_BK * t_BK
    return ce(f_BK, product_BK / product_BK.sum(1, keepdims=True))


REFERENCES = {  # at half of training, where a coefficient that rises to 0.5 has risen
    "cross-entropy": ce,
    "confidence": lambda f, t: ce(f, 0.5 * t + 0.5 * reference_harden(f)),
    "confidence-release": lambda f, t: reference_release(f, t, 0.5),
    "product": reference_product,
    "log-entropy": lambda f, t: ce(f, 0.5 * t + 0.5 * f),
    "confidence-window": lambda f, t: np.where(f.max(1) < 0.8, ce(f, t), 0.0),  # radius "midweak", its median is 0.8
    "reverse-kl": lambda f, t: (f * np.log(f / np.maximum(t, 1e-8))).sum(1),
    "reverse-ce": lambda f, t: -(f * np.log(np.maximum(t, 1e-8))).sum(1),
    "adaptive-confidence": reference_adaptive,
    "generalised-ce": lambda f, t: (t * (1 - f**0.7) / 0.7).sum(1),
    "l2-confidence": lambda f, t: 0.5 * ce(f, t) - 0.5 * (f[:, 1] - 0.5) ** 2,
    "entropy-confidence": lambda f, t: 0.5 * ce(f, t) + 0.5 * ce(f, f),
}


def batch(rng, size=16, num_options=2):
    logits_BK = rng.normal(size=(size, num_options)) * 2
    return logits_BK, rng.dirichlet(np.ones(num_options), size)


def tensors(*arrays):
    return [torch.tensor(each, dtype=torch.float64) for each in arrays]


def loss_of(name, logits_BK, targets_BK, moment=HALFWAY, **options):
    """Return loss_B as the loop computes it: the target of the whole batch first, then the rows."""
    loss, options = LOSSES[name], options or OPTIONS.get(name, {})
    if loss.target is not None:
        targets_BK = loss.target(logits_BK.detach(), targets_BK, moment, **options)
    return loss.rows(logits_BK, targets_BK, moment, **options)


def test_planning_knows_the_names_of_all_losses():
    assert set(LOSS_NAMES) == set(LOSSES) == set(REFERENCES)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 1_000), size=st.integers(8, 33))
def test_every_loss_is_its_reference_on_two_shared_classes(name, seed, size):
    logits_BK, targets_BK = batch(np.random.default_rng(seed), size)
    value_B = loss_of(name, *tensors(logits_BK, targets_BK)).numpy()
    np.testing.assert_allclose(value_B, REFERENCES[name](softmax(logits_BK), targets_BK), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - TWO_OPTIONS - {"confidence"}))
@given(seed=st.integers(0, 1_000), num_options=st.integers(2, 30), size=st.integers(1, 9))
def test_every_loss_is_its_reference_on_exchangeable_options(name, seed, num_options, size):
    logits_BK, targets_BK = batch(np.random.default_rng(seed), size, num_options)
    value_B = loss_of(name, *tensors(logits_BK, targets_BK), Moment(0.5, shared=False, midweak=0.8)).numpy()
    np.testing.assert_allclose(value_B, REFERENCES[name](softmax(logits_BK), targets_BK), rtol=1e-6, atol=1e-9)


@given(st.integers(0, 1_000))
def test_the_confidence_loss_on_exchangeable_options(seed):
    logits_BK, targets_BK = batch(np.random.default_rng(seed), num_options=6)
    value_B = loss_of("confidence", *tensors(logits_BK, targets_BK), Moment(0.5, shared=False)).numpy()
    aim_BK = 0.5 * targets_BK + 0.5 * one_hot(logits_BK.argmax(1), 6)
    np.testing.assert_allclose(value_B, ce(softmax(logits_BK), aim_BK))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - TWO_OPTIONS))
def test_options_that_a_row_lacks_change_nothing(name, rng):
    logits_BK, targets_BK = batch(rng, num_options=3)
    lacking = np.full((len(logits_BK), 2), PAD_LOGIT)
    padded_BK = torch.tensor(np.hstack([logits_BK, lacking]), dtype=torch.float32, requires_grad=True)
    padded_targets_BK = torch.tensor(np.hstack([targets_BK, np.zeros_like(lacking)]), dtype=torch.float32)
    moment = Moment(0.5, shared=False, midweak=0.8)
    value_B = loss_of(name, padded_BK, padded_targets_BK, moment)
    plain_B = loss_of(name, *tensors(logits_BK, targets_BK), moment)
    torch.testing.assert_close(value_B.double(), plain_B, rtol=1e-4, atol=1e-5)
    value_B.sum().backward()
    assert torch.isfinite(padded_BK.grad).all()
    assert not padded_BK.grad[:, 3:].any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_depends_on_itself_alone_once_the_target_is_known(name, rng):
    logits_BK, targets_BK = tensors(*batch(rng, 12))
    options = OPTIONS.get(name, {})
    whole_B = LOSSES[name].rows(logits_BK, targets_BK, HALFWAY, **options)
    parts = [
        LOSSES[name].rows(logits_BK[rows], targets_BK[rows], HALFWAY, **options)
        for rows in (slice(0, 1), slice(1, 8), slice(8, 12))
    ]
    torch.testing.assert_close(whole_B, torch.cat(parts), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.target is not None])
def test_no_gradient_flows_through_the_target(name, rng):
    logits_BK, targets_BK = tensors(*batch(rng))
    logits_BK.requires_grad_(True)
    aim_BK = LOSSES[name].target(logits_BK, targets_BK, HALFWAY, **OPTIONS.get(name, {}))
    assert not aim_BK.requires_grad
    loss_of(name, logits_BK, targets_BK).mean().backward()
    expected_BK = (logits_BK.detach().softmax(1) - aim_BK) / len(targets_BK)  # the gradient of CE at a fixed target
    torch.testing.assert_close(logits_BK.grad, expected_BK)


@pytest.mark.parametrize("name", sorted({"confidence-window", "reverse-kl", "reverse-ce", "generalised-ce"}))
@pytest.mark.parametrize("num_options", [2, 5])
def test_the_gradient_is_that_of_the_reference(name, num_options, rng):
    logits_BK, targets_BK = batch(rng, 6, num_options)
    (logits,) = tensors(logits_BK)
    loss_of(name, logits.requires_grad_(True), *tensors(targets_BK)).sum().backward()
    for row, option in ((0, 0), (3, 1), (5, num_options - 1)):
        step_BK = np.zeros_like(logits_BK)
        step_BK[row, option] = 1e-6
        up, down = (REFERENCES[name](softmax(logits_BK + s * step_BK), targets_BK).sum() for s in (1, -1))
        assert float(logits.grad[row, option]) == pytest.approx((up - down) / 2e-6, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_loss_is_finite_where_the_student_is_sure_of_the_contrary(name, dtype):
    logits_BK = torch.tensor([[80.0, -80.0]] * 8 + [[-80.0, 80.0]] * 8, dtype=dtype, requires_grad=True)
    targets_BK = torch.tensor([[0.0, 1.0]] * 8 + [[1.0, 0.0]] * 8)
    value_B = loss_of(name, logits_BK, targets_BK)
    assert value_B.dtype == torch.float32
    value_B.sum().backward()
    assert torch.isfinite(value_B).all()
    assert torch.isfinite(logits_BK.grad).all()


def test_the_product_does_not_underflow():
    logits_BK = torch.tensor([[-200.0, 0.0], [0.0, -120.0]])
    targets_BK = torch.tensor([[1.0, 0.0], [1e-37, 1.0]])  # in fp32 the plain products are 0 and 0; 1e-37 and 0
    aim_BK = LOSSES["product"].target(logits_BK, targets_BK, HALFWAY, weak=1.0, student=1.0)
    torch.testing.assert_close(aim_BK, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    halved_BK = LOSSES["product"].target(logits_BK, targets_BK, HALFWAY, weak=1.0, student=0.5)
    torch.testing.assert_close(halved_BK, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))


@pytest.mark.parametrize(("weak", "student"), [(1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
def test_the_powers_of_the_product(weak, student, rng):
    logits_BK, targets_BK = batch(rng, num_options=4)
    aim_BK = LOSSES["product"].target(*tensors(logits_BK, targets_BK), HALFWAY, weak=weak, student=student).numpy()
    product_BK = softmax(logits_BK) ** student * targets_BK**weak
    np.testing.assert_allclose(aim_BK, product_BK / product_BK.sum(1, keepdims=True))


def test_a_hard_label_outweighs_any_prediction_in_the_product():
    aim_BK = LOSSES["product"].target(
        torch.tensor([[9.0, -9.0]]), torch.tensor([[0.0, 1.0]]), HALFWAY, weak=1, student=1
    )
    assert aim_BK.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(("radius", "kept"), [(0.15, [1, 0, 0]), (0.3, [1, 1, 0]), ("midweak", [1, 1, 0])])
def test_the_window_is_open_where_the_student_is_unsure(radius, kept):
    logits_BK = torch.tensor([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]]).log()
    value_B = loss_of("confidence-window", logits_BK, torch.full((3, 2), 0.5), HALFWAY, radius=radius)
    assert [int(each > 0) for each in value_B] == kept


def test_a_student_that_agrees_with_the_supervisor_keeps_half_of_its_own_label():
    logits_BK = torch.tensor([[2.0, 0.0]])
    aim_BK = LOSSES["adaptive-confidence"].target(logits_BK, torch.tensor([[0.8, 0.2]]), HALFWAY)
    torch.testing.assert_close(aim_BK, torch.tensor([[0.9, 0.1]]))


@pytest.mark.parametrize(("progress", "a"), [(0.0, 0.0), (0.1, 0.25), (0.2, 0.5), (0.5, 0.5), (0.99, 0.5)])
@pytest.mark.parametrize("prior", [0.5, 0.3])
def test_the_confidence_loss_warms_up_linearly_and_then_stays(rng, progress, a, prior):
    logits_BK, targets_BK = batch(rng)
    value_B = loss_of("confidence", *tensors(logits_BK, targets_BK), Moment(progress, True, prior), **RISING)
    f_BK = softmax(logits_BK)
    np.testing.assert_allclose(value_B.numpy(), ce(f_BK, (1 - a) * targets_BK + a * reference_harden(f_BK, prior)))


@pytest.mark.parametrize("name", ["log-entropy", "l2-confidence", "entropy-confidence"])
def test_every_other_coefficient_warms_up_too(name, rng):
    logits_BK, targets_BK = tensors(*batch(rng))
    plain_B = loss_of("cross-entropy", logits_BK, targets_BK)
    values = [loss_of(name, logits_BK, targets_BK, Moment(p, shared=True), **RISING) for p in (0.0, 0.1, 0.2, 0.9)]
    torch.testing.assert_close(values[0], plain_B)
    torch.testing.assert_close(values[1] - plain_B, (values[2] - plain_B) / 2)
    torch.testing.assert_close(values[2], values[3])
    assert not torch.allclose(values[2], plain_B)


@pytest.mark.parametrize("name", ["l2-confidence", "entropy-confidence"])
def test_the_reward_for_confidence_pushes_away_from_one_half(name):
    logits_BK = torch.tensor([[0.0, 0.4]], requires_grad=True)
    loss_of(name, logits_BK, logits_BK.detach().softmax(1), HALFWAY, weight=1.0, warmup=0.2).sum().backward()
    assert logits_BK.grad[0, 1] < 0 < logits_BK.grad[0, 0]


@pytest.mark.parametrize("progress", [0.0, 0.05, 0.1, 0.1001, 0.5, 1.0])
@pytest.mark.parametrize("size", [1, 7, 16])
def test_the_released_loss_is_that_of_the_release(progress, size, rng):
    logits_BK, targets_BK = batch(rng, size)
    value_B = loss_of("confidence-release", *tensors(logits_BK, targets_BK), Moment(progress, shared=True), **RELEASE)
    a = 0.5 * (1.0 if progress > 0.1 else progress)  # rises to 0.05, then jumps
    np.testing.assert_allclose(value_B.numpy(), reference_release(softmax(logits_BK), targets_BK, a))


def test_the_released_loss_keeps_the_faults_of_the_release():
    def hardened(logits_BK, weak_one):
        targets_BK = torch.tensor([[1 - weak_one, weak_one]]).expand(len(logits_BK), 2)
        return LOSSES["confidence-release"].target(
            logits_BK, targets_BK, Moment(1.0, shared=True), weight=1.0, warmup=0.1
        )

    assert hardened(torch.tensor([[-5.0, 5.0]]), 0.9).tolist() == [[1, 0]]  # a batch of one is always class 0
    assert hardened(torch.zeros(6, 2), 0.5)[:, 0].tolist() == [1] * 6  # and so is a batch of ties
    logits_BK = torch.stack([torch.arange(5.0), torch.zeros(5)], 1)
    assert hardened(logits_BK, 0.5)[:, 0].tolist() == [0, 0, 1, 1, 1]  # an odd batch
    assert hardened(logits_BK, 1.0)[:, 0].tolist() == [0, 0, 0, 0, 1]  # one row too many where all labels are class 1


@pytest.mark.parametrize("name", sorted(TWO_OPTIONS))
def test_losses_of_two_options_refuse_more(name):
    with pytest.raises(StepError, match=r"two (shared classes only|options, this task has 3)"):
        loss_of(name, torch.zeros(16, 3), torch.full((16, 3), 1 / 3))


def test_the_released_loss_refuses_exchangeable_options():
    with pytest.raises(StepError, match="two shared classes only"):
        loss_of("confidence-release", torch.zeros(16, 2), torch.zeros(16, 2), Moment(0.5, shared=False))


@given(st.integers(0, 1_000), st.integers(8, 41), st.floats(0.1, 0.9))
def test_hardening_is_by_rank_against_the_prior(seed, size, prior):
    if size * min(prior, 1 - prior) < 4:
        return
    logits_BK, _ = batch(np.random.default_rng(seed), size)
    hardened_BK = harden(*tensors(logits_BK), shared=True, prior=prior)
    np.testing.assert_array_equal(hardened_BK.numpy(), reference_harden(softmax(logits_BK), prior))
    assert int(hardened_BK[:, 1].sum()) == round(size * prior)


@pytest.mark.parametrize(("size", "ones"), [(9, 4), (10, 5), (11, 6)])
def test_ties_are_broken_by_rank_so_the_share_is_exact(size, ones):
    assert harden(torch.zeros(size, 2), shared=True, prior=0.5)[:, 1].tolist() == [1] * ones + [0] * (size - ones)
    assert harden(torch.zeros(20, 2), shared=True, prior=0.4)[:, 1].sum() == 8


def test_the_share_is_a_statistic_of_the_batch_not_of_a_threshold():
    logits_BK = torch.stack([torch.zeros(8), -10 - torch.arange(8.0)], 1)  # the student is sure that all are class 0
    assert harden(logits_BK, shared=True, prior=0.5)[:, 1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


@given(st.integers(0, 1_000))
def test_swapping_two_balanced_classes_swaps_the_hardened_rows(seed):
    (logits_BK,) = tensors(batch(np.random.default_rng(seed), 20)[0])
    hardened_BK = harden(logits_BK, shared=True, prior=0.5)
    assert harden(logits_BK.flip(1), shared=True, prior=0.5).flip(1).equal(hardened_BK)


@given(st.integers(0, 1_000))
def test_exchangeable_options_are_hardened_alone_and_without_a_prior(seed):
    (logits_BK,) = tensors(batch(np.random.default_rng(seed), 6, num_options=5)[0])
    hardened_BK = harden(logits_BK, shared=False, prior=0.01)
    assert hardened_BK.argmax(1).tolist() == logits_BK.argmax(1).tolist()
    assert hardened_BK.sum() == 6
    order = np.random.default_rng(seed).permutation(5)
    assert harden(logits_BK[:, order], shared=False, prior=0.5).equal(hardened_BK[:, order])


@pytest.mark.parametrize(("size", "prior"), [(1, 0.5), (7, 0.5), (16, 0.2), (16, 0.8), (64, 0.0), (64, 1.0)])
def test_a_batch_too_small_to_be_a_statistic_is_refused(size, prior):
    with pytest.raises(StepError, match=r"raise training\.batch"):
        harden(torch.zeros(size, 2), shared=True, prior=prior)


def test_the_smallest_batch_that_is_a_statistic_is_not_refused():
    assert harden(torch.zeros(8, 2), shared=True, prior=0.5).shape == (8, 2)


def test_more_than_two_shared_classes_are_refused():
    with pytest.raises(StepError, match="two shared classes, this task has 3"):
        harden(torch.zeros(32, 3), shared=True, prior=0.5)


def test_the_moment_knows_the_labels_and_not_the_truth():
    ones_N = np.array([0.1, 0.2, 0.9, 0.4, 0.3])
    labels = Labels.from_dense("abcde", np.stack([1 - ones_N, ones_N], 1))
    free = moment_at_start(labels, shared=True, balanced=False)
    assert (free.progress, free.prior) == (0.0, pytest.approx(0.38))
    assert free.midweak == pytest.approx(0.8)  # of 0.9, 0.8, 0.9, 0.6 and 0.7
    assert moment_at_start(labels, shared=True, balanced=True).prior == 0.5
    assert moment_at_start(labels, shared=False, balanced=False).prior == 0.5
