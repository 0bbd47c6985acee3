"""Losses on logits_BK and targets_BK. A loss is named by a string; its reference is a ten-line numpy version in a test.

Legend: B rows of the optimizer batch, K options. CE(f, t) = -sum t log f. Targets never carry a gradient.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from outgrow.errors import StepError

SMALLEST_CLASS = 4
"""The hardened batch needs at least this many rows of the rarer class to be a statistic."""


@dataclass(frozen=True)
class Moment:
    """What a loss may know beside the batch: how far training is (0 to 1), what the options are, and the prior.

    `prior` is the share of class 1: 1/2 where the task is balanced by construction, else the mean weak label.
    """

    progress: float
    shared: bool
    prior: float = 0.5


def cross_entropy(logits_BK: torch.Tensor, targets_BK: torch.Tensor, moment: Moment) -> torch.Tensor:
    """Return the mean CE(f, t) over the batch (Burns et al. 2023, section 4.2)."""
    del moment
    return -(targets_BK * logits_BK.log_softmax(-1)).sum(-1).mean()


def confidence(
    logits_BK: torch.Tensor, targets_BK: torch.Tensor, moment: Moment, *, weight: float, warmup: float
) -> torch.Tensor:
    """Return CE(f, (1 - a) t + a harden(f)), a rising linearly to `weight` (Burns et al. 2023, eq. 1 and 2)."""
    a = weight * min(1.0, moment.progress / warmup)
    hardened_BK = harden(logits_BK.detach(), shared=moment.shared, prior=moment.prior)
    return cross_entropy(logits_BK, (1 - a) * targets_BK + a * hardened_BK, moment)


def harden(logits_BK: torch.Tensor, *, shared: bool, prior: float) -> torch.Tensor:
    """Return the student's own predictions as one-hot rows.

    Two shared classes: exactly round(B x prior) rows become class 1, those where it is most probable, ties by rank.
    Exchangeable options: the most probable one, without a prior.
    """
    if not shared:
        return torch.nn.functional.one_hot(logits_BK.argmax(-1), logits_BK.shape[-1]).float()
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


def confidence_release(
    logits_BK: torch.Tensor, targets_BK: torch.Tensor, moment: Moment, *, weight: float, warmup: float
) -> torch.Tensor:
    """Return the confidence loss as OpenAI's release computes it (openai/weak-to-strong, loss.py).

    Class 0 where its probability reaches the batch's quantile at the mean weak label of class 1; the coefficient is
    weight x progress up to `warmup`, then jumps to `weight`.
    """
    if not moment.shared or logits_BK.shape[-1] != 2:
        raise StepError("the released confidence loss is defined for two shared classes only")
    a = weight * (1.0 if moment.progress > warmup else moment.progress)
    zero_B = logits_BK.detach().softmax(-1)[:, 0]
    is_zero_B = (zero_B >= torch.quantile(zero_B, targets_BK[:, 1].mean())).float()
    hardened_BK = torch.stack([is_zero_B, 1 - is_zero_B], dim=-1)
    return cross_entropy(logits_BK, (1 - a) * targets_BK + a * hardened_BK, moment)


LOSSES: Mapping[str, Callable[..., torch.Tensor]] = {
    "cross-entropy": cross_entropy,
    "confidence": confidence,
    "confidence-release": confidence_release,
}
