"""Losses on logits_BK and targets_BK. A loss is named by a string; its reference is a ten-line numpy version in a test.

A loss has two parts: what it asks of a row, which depends on that row alone, and, where training moves the target,
what the batch is trained towards, which may be a statistic of the whole optimizer batch: micro-batches change nothing.

Legend: B rows of the optimizer batch, K options, N training rows. CE(f, t) = -sum t log f. f are the student's
probabilities, t the weak label. Everything is computed in fp32 or better. Options that a row lacks have the logit
PAD_LOGIT and the target 0, and so add nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from outgrow.errors import StepError
from outgrow.examples import PAD_LOGIT, Labels

SMALLEST_CLASS = 4
"""The hardened batch needs at least this many rows of the rarer class to be a statistic."""
SMALLEST_TARGET = 1e-8
"""Where the logarithm of a weak label is taken, the label is clipped here."""


@dataclass(frozen=True)
class Moment:
    """What a loss may know beside the batch: how far training is (0 to 1), what the options are, and the labels' shape.

    `prior` is the share of class 1: 1/2 where the task is balanced by construction, else the mean weak label.
    `midweak` is the median over the training rows of the largest probability of a row's weak label.
    """

    progress: float
    shared: bool
    prior: float = 0.5
    midweak: float = 1.0


@dataclass(frozen=True)
class Loss:
    """The two parts of a loss. Both take (logits_BK, targets_BK, moment, **options), and ignore the other's options.

    `rows` -> loss_B; row b depends on row b alone. `target` -> targets_BK, what the whole optimizer batch is trained
    towards; its logits carry no gradient, nor does its result. None: the weak labels as they are.
    """

    rows: Callable[..., Tensor]
    target: Callable[..., Tensor] | None = None


def moment_at_start(labels: Labels, *, shared: bool, balanced: bool) -> Moment:
    """Return the moment at which training on these labels starts. The truth has no part in it."""
    dense_NK = labels.dense()
    prior = 0.5 if balanced or not shared else float(dense_NK[:, 1].mean())
    return Moment(0.0, shared, prior, float(torch.from_numpy(dense_NK.max(1)).quantile(0.5)))


def cross_entropy(logits_BK: Tensor, targets_BK: Tensor, moment: Moment, **_: Any) -> Tensor:
    """Return CE(f, t) of every row (Burns et al. 2023, section 4.2)."""
    del moment
    return -(targets_BK * _log_probabilities(logits_BK)).sum(-1)


def _log_probabilities(logits_BK: Tensor) -> Tensor:
    return (logits_BK if logits_BK.dtype == torch.float64 else logits_BK.float()).log_softmax(-1)


def _risen(moment: Moment, weight: float, warmup: float) -> float:
    """Return the coefficient that rises linearly from 0 to `weight` over the first `warmup` of training."""
    return weight * min(1.0, moment.progress / warmup) if warmup else weight


def confidence_target(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, weight: float, warmup: float, **_: Any
) -> Tensor:
    """Return (1 - a) t + a harden(f), a rising linearly to `weight` (Burns et al. 2023, eq. 1 and 2)."""
    a = _risen(moment, weight, warmup)
    hardened_BK = harden(logits_BK.detach(), shared=moment.shared, prior=moment.prior)
    return (1 - a) * targets_BK + a * hardened_BK


def harden(logits_BK: Tensor, *, shared: bool, prior: float) -> Tensor:
    """Return the student's own predictions as one-hot rows.

    Two shared classes: exactly round(B x prior) rows become class 1, those where it is most probable, ties by rank.
    Exchangeable options: the most probable one, without a prior; options that tie share the row.
    """
    if not shared:
        return _first(logits_BK, shared=False).float()
    size, num_options = logits_BK.shape
    if num_options != 2:
        raise StepError(f"the confidence loss is defined for two shared classes, this task has {num_options}")
    if size * min(prior, 1 - prior) < SMALLEST_CLASS:
        raise StepError(
            f"the confidence loss needs {SMALLEST_CLASS} rows of the rarer class in a batch: {size} rows at a share of "
            f"{min(prior, 1 - prior):.3f} give fewer; raise training.batch"
        )
    margin_B = logits_BK[:, 1] - logits_BK[:, 0]
    ones = torch.argsort(margin_B, descending=True, stable=True)[: round(size * prior)]
    is_one_B = torch.zeros(size, device=logits_BK.device).index_fill(0, ones, 1.0)
    return torch.stack([1 - is_one_B, is_one_B], dim=-1)


def released_confidence_target(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, weight: float, warmup: float, **_: Any
) -> Tensor:
    """Return the confidence loss's target as OpenAI's release computes it (openai/weak-to-strong, loss.py).

    Class 0 where its probability reaches the batch's quantile at the mean weak label of class 1; the coefficient is
    weight x progress up to `warmup`, then jumps to `weight`.
    """
    if not moment.shared or logits_BK.shape[-1] != 2:
        raise StepError("the released confidence loss is defined for two shared classes only")
    a = weight * (1.0 if moment.progress > warmup else moment.progress)
    zero_B = _log_probabilities(logits_BK.detach()).exp()[:, 0]
    is_zero_B = (zero_B >= torch.quantile(zero_B, targets_BK[:, 1].mean().clamp(0, 1).to(zero_B.dtype))).float()
    hardened_BK = torch.stack([is_zero_B, 1 - is_zero_B], dim=-1)
    return (1 - a) * targets_BK + a * hardened_BK


def product_target(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, weak: float, student: float, **_: Any
) -> Tensor:
    """Return f^student t^weak, renormalised in log space, where nothing underflows (openai/weak-to-strong, loss.py)."""
    del moment
    log_weak_BK = torch.where(targets_BK > 0, targets_BK.log(), PAD_LOGIT)
    log_product_BK = student * _log_probabilities(logits_BK.detach()) + weak * log_weak_BK
    return log_product_BK.softmax(-1)


def log_entropy_target(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, weight: float, warmup: float, **_: Any
) -> Tensor:
    """Return (1 - a) t + a f: the confidence loss without hardening (EleutherAI/w2s, loss.py)."""
    a = _risen(moment, weight, warmup)
    return (1 - a) * targets_BK + a * _log_probabilities(logits_BK.detach()).exp()


def adaptive_confidence_target(logits_BK: Tensor, targets_BK: Tensor, moment: Moment, **_: Any) -> Tensor:
    """Return (1 - a) t + a hard(f), with a weight of its own for every row (Guo et al. 2024).

    a = e^CE(f, hard f) / (e^CE(f, hard f) + e^CE(f, hard t)), hard being the most probable option.
    """
    log_f_BK = _log_probabilities(logits_BK.detach())
    own_BK, weak_BK = (_first(each, shared=moment.shared).to(log_f_BK.dtype) for each in (log_f_BK, targets_BK))
    ce_own_B, ce_weak_B = (-(each * log_f_BK).sum(-1) for each in (own_BK, weak_BK))
    a_B1 = torch.sigmoid(ce_own_B - ce_weak_B)[:, None]
    return (1 - a_B1) * targets_BK + a_B1 * own_BK


def _first(values_BK: Tensor, *, shared: bool) -> Tensor:
    """Return the largest of each row as 1. At a tie the first one; exchangeable options, which have no order, share."""
    if shared:
        return torch.nn.functional.one_hot(values_BK.argmax(-1), values_BK.shape[-1])
    largest_BK = values_BK == values_BK.amax(-1, keepdim=True)
    return largest_BK / largest_BK.sum(-1, keepdim=True)


def confidence_window(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, radius: float | Literal["midweak"], **_: Any
) -> Tensor:
    """Return CE(f, t) where the student is unsure, max f < 1/2 + radius, and 0 elsewhere (EleutherAI/w2s, loss.py).

    `midweak` sets the bound 1/2 + radius to the median confidence of the weak labels.
    """
    bound = moment.midweak if radius == "midweak" else 0.5 + radius
    unsure_B = _log_probabilities(logits_BK.detach()).exp().amax(-1) < bound
    return cross_entropy(logits_BK, targets_BK, moment) * unsure_B


def reverse_kl(logits_BK: Tensor, targets_BK: Tensor, moment: Moment, **_: Any) -> Tensor:
    """Return sum f log(f / t), t clipped at 1e-8 (Yao et al. 2025)."""
    log_f_BK = _log_probabilities(logits_BK)
    entropy_B = -(log_f_BK.exp() * log_f_BK).sum(-1)
    return reverse_ce(logits_BK, targets_BK, moment) - entropy_B


def reverse_ce(logits_BK: Tensor, targets_BK: Tensor, moment: Moment, **_: Any) -> Tensor:
    """Return -sum f log t, t clipped at 1e-8 (Yao et al. 2025)."""
    del moment
    return -(_log_probabilities(logits_BK).exp() * targets_BK.clamp_min(SMALLEST_TARGET).log()).sum(-1)


def generalised_ce(logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, power: float, **_: Any) -> Tensor:
    """Return sum_k t_k (1 - f_k^q) / q: cross-entropy as q -> 0, absolute error at q = 1 (Zhang and Sabuncu 2018)."""
    del moment
    return (targets_BK * -torch.expm1(power * _log_probabilities(logits_BK))).sum(-1) / power


def l2_confidence(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, weight: float, warmup: float, **_: Any
) -> Tensor:
    """Return (1 - a) CE(f, t) - a (f_1 - 1/2)^2: far from one half is better (Burns et al. 2023, appendix B)."""
    _two_options("l2 confidence", logits_BK)
    a = _risen(moment, weight, warmup)
    one_B = _log_probabilities(logits_BK)[:, 1].exp()
    return (1 - a) * cross_entropy(logits_BK, targets_BK, moment) - a * (one_B - 0.5) ** 2


def entropy_confidence(
    logits_BK: Tensor, targets_BK: Tensor, moment: Moment, *, weight: float, warmup: float, **_: Any
) -> Tensor:
    """Return (1 - a) CE(f, t) + a H(f): low entropy of the student's own prediction is rewarded.

    Burns et al. 2023, appendix B, which prints the second term with the other sign: that would punish confidence.
    """
    a = _risen(moment, weight, warmup)
    log_f_BK = _log_probabilities(logits_BK)
    return (1 - a) * cross_entropy(logits_BK, targets_BK, moment) - a * (log_f_BK.exp() * log_f_BK).sum(-1)


def _two_options(name: str, logits_BK: Tensor) -> None:
    if logits_BK.shape[-1] != 2:
        raise StepError(
            f"the {name} loss is defined for two options, this task has {logits_BK.shape[-1]}: use entropy-confidence"
        )


LOSSES: Mapping[str, Loss] = {
    "cross-entropy": Loss(cross_entropy),
    "confidence": Loss(cross_entropy, confidence_target),
    "confidence-release": Loss(cross_entropy, released_confidence_target),
    "product": Loss(cross_entropy, product_target),
    "log-entropy": Loss(cross_entropy, log_entropy_target),
    "confidence-window": Loss(confidence_window),
    "reverse-kl": Loss(reverse_kl),
    "reverse-ce": Loss(reverse_ce),
    "adaptive-confidence": Loss(cross_entropy, adaptive_confidence_target),
    "generalised-ce": Loss(generalised_ce),
    "l2-confidence": Loss(l2_confidence),
    "entropy-confidence": Loss(entropy_confidence),
}
