"""Linear probes against a reference optimum, and on raw features."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from outgrow.errors import StepError
from outgrow.training import probes
from outgrow.training.losses import LOSSES, Loss, Moment, cross_entropy

START = Moment(0.0, shared=True)


def made(num_rows=120, width=7, num_options=2, *, seed=0):
    """Return correlated features of different scales, soft labels, weights of mean 1, and the truth."""
    rng = np.random.default_rng(seed)
    features_ND = (
        rng.normal(size=(num_rows, width)) @ rng.normal(size=(width, width)) * 10.0 ** rng.integers(-2, 3, width)
    )
    features_ND += rng.normal(size=width)
    standard_ND = (features_ND - features_ND.mean(0)) / features_ND.std(0)
    score_NK = standard_ND @ rng.normal(size=(width, num_options))
    noisy_NK = score_NK + rng.normal(size=score_NK.shape)
    weight_N = rng.uniform(0, 2, num_rows)
    targets_NK = np.exp(log_softmax(noisy_NK, axis=1)).astype(np.float32)
    return features_ND.astype(np.float32), targets_NK, weight_N / weight_N.mean(), score_NK.argmax(1)


def fitted(
    features_ND, targets_NK, weight_N=None, *, loss="cross-entropy", l2=1e-2, moment=START, adam=False, **options
):
    weight_N = np.ones(len(targets_NK), np.float32) if weight_N is None else weight_N
    return probes.fit_probe(
        features_ND,
        targets_NK,
        weight_N,
        loss=LOSSES[loss] if isinstance(loss, str) else loss,
        loss_options=options,
        moment=moment,
        l2=l2,
        rng=np.random.default_rng(0),
        always_adam=adam,
    )


def reference(features_ND, targets_NK, weight_N, l2):
    """Return probabilities_NK and the loss at the optimum that scipy finds, by its own differences for a gradient."""
    standard_ND = (features_ND - features_ND.mean(0)) / features_ND.std(0)
    shape = (features_ND.shape[1], targets_NK.shape[1])

    def predict(flat):
        return log_softmax(standard_ND @ flat[shape[1] :].reshape(shape) + flat[: shape[1]], axis=1)

    def value(flat):
        ce_N = -(targets_NK * predict(flat)).sum(1)
        return (weight_N * ce_N).mean() + l2 / 2 * (flat[shape[1] :] ** 2).sum()

    found = minimize(value, np.zeros((shape[0] + 1) * shape[1]), options={"gtol": 1e-7})
    return np.exp(predict(found.x)), found.fun


@pytest.mark.parametrize("num_options", [2, 5])
@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_fixed_targets_reach_the_reference_optimum(num_options, l2):
    features_ND, targets_NK, weight_N, _ = made(num_options=num_options)
    probe = fitted(features_ND, targets_NK, weight_N, l2=l2)
    expected_NK, value = reference(features_ND.astype(np.float64), targets_NK, weight_N, l2)
    np.testing.assert_allclose(probe.probabilities(features_ND), expected_NK, atol=2e-4)
    assert probe.loss == [pytest.approx(value, abs=1e-6)]
    assert probe.weight_KD.shape == (num_options, 7)
    assert probe.bias_K.shape == (num_options,)


def test_a_weight_counts_like_so_many_rows():
    features_ND, targets_NK, _, _ = made()
    weight_N = np.where(np.arange(120) < 60, 2.0, 1.0) / 1.5
    scaled_ND = (features_ND - features_ND.mean(0)) / features_ND.std(0)
    doubled_ND = np.concatenate([scaled_ND, scaled_ND[:60]])
    # Almost no penalty: features are standardised by rows and not by weights, and the penalty would see that.
    first = fitted(doubled_ND, np.concatenate([targets_NK, targets_NK[:60]]), l2=1e-9)
    second = fitted(scaled_ND, targets_NK, weight_N, l2=1e-9)
    np.testing.assert_allclose(first.probabilities(scaled_ND), second.probabilities(scaled_ND), atol=1e-4)


@pytest.mark.parametrize("loss", ["cross-entropy", "log-entropy"])
def test_scale_and_shift_of_a_feature_change_nothing(loss):
    features_ND, targets_NK, _, _ = made()
    options = {"weight": 0.5, "warmup": 0.2}
    first = fitted(features_ND, targets_NK, loss=loss, **options)
    other_ND = (features_ND * np.float32(4.0) + features_ND.std(0)).astype(np.float32)
    second = fitted(other_ND, targets_NK, loss=loss, **options)
    np.testing.assert_allclose(first.probabilities(features_ND), second.probabilities(other_ND), atol=1e-3)


def test_features_that_repeat_one_another_or_never_vary_are_no_matter():
    features_ND, targets_NK, _, _ = made()
    plain = fitted(features_ND, targets_NK, l2=1e-6).probabilities(features_ND)
    more_ND = np.hstack([features_ND, features_ND, np.full((120, 2), 7.0, np.float32)])
    probe = fitted(more_ND, targets_NK, l2=1e-6)
    np.testing.assert_allclose(probe.probabilities(more_ND), plain, atol=1e-2)
    assert not probe.weight_KD[:, -2:].any()


def test_more_features_than_rows():
    features_ND, targets_NK, _, truth_N = made(40, 100)
    assert (fitted(features_ND, targets_NK, l2=1e-3).probabilities(features_ND).argmax(1) == targets_NK.argmax(1)).all()
    assert len(truth_N) == 40


def test_hard_separable_labels_without_a_penalty_end_in_a_probe_or_a_clear_error():
    features_ND, _, _, truth_N = made()
    probe = fitted(features_ND, np.eye(2, dtype=np.float32)[truth_N], l2=0.0)
    assert (probe.probabilities(features_ND).argmax(1) == truth_N).all()


def test_the_same_call_gives_the_same_bits():
    features_ND, targets_NK, weight_N, _ = made()
    for loss, options in (("cross-entropy", {}), ("reverse-kl", {})):
        first, second = (fitted(features_ND, targets_NK, weight_N, loss=loss, **options) for _ in range(2))
        assert first.weight_KD.equal(second.weight_KD)
        assert first.bias_K.equal(second.bias_K)


def test_adam_comes_near_the_optimum_of_the_same_penalised_loss(monkeypatch):
    features_ND, targets_NK, weight_N, _ = made(200)
    monkeypatch.setattr(probes, "EPOCHS", 2_000)  # at the paper's rate of 1e-3 few rows need many epochs
    optimum = fitted(features_ND, targets_NK, weight_N, l2=0.05).probabilities(features_ND)
    by_adam = fitted(features_ND, targets_NK, weight_N, l2=0.05, adam=True)
    np.testing.assert_allclose(by_adam.probabilities(features_ND), optimum, atol=0.01)
    assert len(by_adam.loss) == 20
    assert by_adam.loss[0] > by_adam.loss[-1]


def test_a_target_that_moves_sees_whole_batches_and_the_progress_of_training():
    features_ND, targets_NK, _, _ = made(300)
    seen = []

    def target(logits_BK, targets_BK, moment, *, weight):
        assert not logits_BK.requires_grad
        seen.append((len(logits_BK), moment.progress, moment.prior, weight))
        return targets_BK

    fitted(features_ND, targets_NK, loss=Loss(cross_entropy, target), moment=Moment(0.0, True, 0.4), weight=0.7)
    assert len(seen) == round(200 * 300 / 128)
    assert {size for size, *_ in seen} == {128}
    assert [progress for _, progress, *_ in seen] == [step / len(seen) for step in range(len(seen))]
    assert {rest for _, _, *rest in map(tuple, seen) for rest in [tuple(rest)]} == {(0.4, 0.7)}


def test_the_confidence_loss_makes_a_probe_surer_than_its_labels():
    features_ND, targets_NK, _, _ = made(400)
    naive = fitted(features_ND, targets_NK, l2=1e-3, adam=True).probabilities(features_ND)
    sure = fitted(features_ND, targets_NK, l2=1e-3, loss="confidence", weight=0.75, warmup=0.2)
    assert sure.probabilities(features_ND).max(1).mean() > naive.max(1).mean() + 0.02


def test_rows_and_labels_of_different_number_are_refused():
    features_ND, targets_NK, _, _ = made()
    with pytest.raises(StepError, match="119 labels"):
        fitted(features_ND, targets_NK[1:])


def test_features_that_are_no_numbers_are_refused():
    features_ND, targets_NK, _, _ = made()
    features_ND[3, 2] = np.nan
    with pytest.raises(StepError, match="not finite"):
        fitted(features_ND, targets_NK)


def test_probabilities_are_those_of_the_raw_features():
    probe = probes.Probe(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0.5, 0.0]))
    found = probe.probabilities(np.array([[1.0, 1.0]]))
    np.testing.assert_allclose(found, [np.exp([1.5, 2.0]) / np.exp([1.5, 2.0]).sum()], rtol=1e-6)
    assert found.dtype == np.float32


def options_of(num_rows=90, num_options=4, width=6, *, ragged=True, seed=1):
    """Return features of every option, soft labels and which options exist; those that do not are zero vectors."""
    rng = np.random.default_rng(seed)
    features_NKD = rng.normal(size=(num_rows, num_options, width)).astype(np.float32)
    features_NKD = features_NKD * np.float32(10.0) ** rng.integers(-1, 2, width).astype(np.float32) + 1
    count_N = rng.integers(2, num_options + 1, num_rows) if ragged else np.full(num_rows, num_options)
    exists_NK = np.arange(num_options) < count_N[:, None]
    features_NKD[~exists_NK] = 0
    scale_D = features_NKD[exists_NK].std(0)
    score_NK = features_NKD / scale_D @ rng.normal(size=width) + rng.normal(size=exists_NK.shape)
    targets_NK = np.exp(log_softmax(np.where(exists_NK, score_NK, -np.inf), axis=1)).astype(np.float32)
    return features_NKD, targets_NK, exists_NK


def fitted_options(features_NKD, targets_NK, exists_NK, *, loss="cross-entropy", adam=False, l2=1e-2, **options):
    return probes.fit_probe(
        features_NKD,
        targets_NK,
        np.ones(len(targets_NK), np.float32),
        loss=LOSSES[loss],
        loss_options=options,
        moment=Moment(0.0, shared=False, midweak=0.7),
        l2=l2,
        rng=np.random.default_rng(0),
        exists_NK=exists_NK,
        always_adam=adam,
    )


@pytest.mark.parametrize("ragged", [False, True])
def test_options_that_are_texts_reach_the_reference_optimum(ragged):
    features_NKD, targets_NK, exists_NK = options_of(ragged=ragged)
    seen_MD = features_NKD[exists_NK].astype(np.float64)
    standard_NKD = (features_NKD - seen_MD.mean(0)) / seen_MD.std(0)

    def predict(weight_D):
        return log_softmax(np.where(exists_NK, standard_NKD @ weight_D, -np.inf), axis=1)

    def value(weight_D):
        log_f_NK = np.where(exists_NK, predict(weight_D), 0)
        return -(targets_NK * log_f_NK).sum(1).mean() + 0.01 / 2 * weight_D @ weight_D

    found = minimize(value, np.zeros(6), options={"gtol": 1e-7})
    probe = fitted_options(features_NKD, targets_NK, exists_NK if ragged else None)
    predicted_NK = probe.probabilities(features_NKD, exists_NK if ragged else None)
    np.testing.assert_allclose(predicted_NK, np.exp(predict(found.x)), atol=2e-4)
    assert not predicted_NK[~exists_NK].any()
    assert probe.loss == [pytest.approx(found.fun, abs=1e-6)]
    assert probe.weight_KD.shape == (1, 6)
    assert not probe.bias_K.any()


MOVING = {
    "confidence": {"weight": 0.75, "warmup": 0.2},
    "log-entropy": {"weight": 0.5, "warmup": 0.2},
    "product": {"weak": 1.0, "student": 1.0},
    "adaptive-confidence": {},
    "confidence-window": {"radius": "midweak"},
    "reverse-kl": {},
    "reverse-ce": {},
    "generalised-ce": {"power": 0.7},
    "entropy-confidence": {"weight": 0.5, "warmup": 0.2},
}


@pytest.mark.parametrize("loss", ["cross-entropy", *MOVING, "l2-confidence"])
def test_swapping_the_options_of_any_row_swaps_its_predictions_and_no_other_bit(monkeypatch, loss):
    monkeypatch.setattr(probes, "EPOCHS", 20)
    features_NKD, targets_NK, _ = options_of(num_options=2, ragged=False)
    options = MOVING.get(loss, {"weight": 0.5, "warmup": 0.2} if loss == "l2-confidence" else {})
    before = fitted_options(features_NKD, targets_NK, None, loss=loss, **options).probabilities(features_NKD)
    swaps_N = np.random.default_rng(2).random(len(targets_NK)) < 0.5
    other_NKD, other_NK = features_NKD.copy(), targets_NK.copy()
    other_NKD[swaps_N], other_NK[swaps_N] = features_NKD[swaps_N, ::-1], targets_NK[swaps_N, ::-1]
    after = fitted_options(other_NKD, other_NK, None, loss=loss, **options).probabilities(other_NKD)
    after[swaps_N] = after[swaps_N, ::-1].copy()
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("loss", ["cross-entropy", *MOVING])
def test_options_that_rows_lack_change_nothing(monkeypatch, loss):
    monkeypatch.setattr(probes, "EPOCHS", 20)
    features_NKD, targets_NK, exists_NK = options_of()
    wider_NKD, wider_NK, there_NK = (
        np.concatenate([each, np.zeros_like(each[:, :2])], axis=1) for each in (features_NKD, targets_NK, exists_NK)
    )
    options = MOVING.get(loss, {})
    first = fitted_options(features_NKD, targets_NK, exists_NK, loss=loss, **options)
    second = fitted_options(wider_NKD, wider_NK, there_NK, loss=loss, **options)
    predicted_NK = second.probabilities(wider_NKD, there_NK)
    np.testing.assert_allclose(predicted_NK[:, :4], first.probabilities(features_NKD, exists_NK), atol=1e-5)
    assert not predicted_NK[:, 4:].any()
