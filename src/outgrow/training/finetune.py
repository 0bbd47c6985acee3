"""The finetuning loop: one function for supervisors, students and ceilings. Knows tensors, no tasks and no store.

Legend: N training rows, B rows of a batch, K options.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.models.heads import Scorer
from outgrow.training.batches import Tokens, batch_stream
from outgrow.training.inference import predict
from outgrow.training.losses import LOSSES, Moment


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: AdamW, the rate rising over the warm-up, then falling linearly to 0."""

    steps: int
    batch: int
    lr: float
    weight_decay: float
    warmup: float

    def rate(self, step: int) -> float:
        """Return the factor on the learning rate at this step."""
        done = (step + 0.5) / self.steps
        return done / self.warmup if done < self.warmup else (1 - done) / (1 - self.warmup)


@dataclass(frozen=True)
class Validation:
    """Rows that decide when to stop: the checkpoint that agrees most with these predictions is kept."""

    tokens: Tokens
    predicted_N: np.ndarray
    checks: int


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the weights in the scorer: the loss of every step and the step that was kept."""

    losses: list[float]
    kept_step: int
    agreement: list[float]


def finetune(
    scorer: Scorer,
    tokens: Tokens,
    labels: Labels,
    *,
    schedule: Schedule,
    loss: str,
    loss_options: Mapping[str, float],
    moment: Moment,
    rng: np.random.Generator,
    device: str = "cpu",
    validation: Validation | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Trained:
    """Finetune the whole scorer on these labels, in place. Row n of the tokens has label n."""
    loss_function = partial(LOSSES[loss], **loss_options)
    targets_NK = torch.from_numpy(labels.dense())
    optimizer = torch.optim.AdamW(
        scorer.parameters(), lr=schedule.lr, weight_decay=schedule.weight_decay, betas=(0.9, 0.999), fused=True
    )
    checks = set(_check_steps(schedule.steps, validation.checks)) if validation else set()
    losses, agreement, kept, kept_step = list[float](), list[float](), None, schedule.steps
    scorer.train()
    for step, rows_B in enumerate(batch_stream(len(labels), batch=schedule.batch, steps=schedule.steps, rng=rng)):
        optimizer.param_groups[0]["lr"] = schedule.lr * schedule.rate(step)
        tokens_BT, length_B = tokens.batch(rows_B)
        logits_BK = scorer(tokens_BT.to(device), length_B.to(device))
        now = Moment(step / schedule.steps, moment.shared, moment.prior)
        value = loss_function(logits_BK, targets_NK[torch.from_numpy(rows_B)].to(device), now)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value.detach()))
        if not np.isfinite(losses[-1]):
            raise StepError(f"the loss is {losses[-1]} at step {step + 1}: lower training.lr (now {schedule.lr:g})")
        if validation and step + 1 in checks:
            agreement.append(_agreement(scorer, validation, device))
            if agreement[-1] == max(agreement) and agreement.count(agreement[-1]) == 1:
                kept, kept_step = deepcopy(scorer.state_dict()), step + 1
            scorer.train()
        progress(step + 1, schedule.steps, "steps")
    if kept is not None:
        scorer.load_state_dict(kept)
    return Trained(losses, kept_step, agreement)


def _check_steps(steps: int, checks: int) -> list[int]:
    return [round(steps * (i + 1) / checks) for i in range(checks)]


def _agreement(scorer: Scorer, validation: Validation, device: str) -> float:
    predicted_N = predict(scorer, validation.tokens, device=device).argmax(1)
    return float((predicted_N == validation.predicted_N).mean())
