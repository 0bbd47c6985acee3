"""The finetuning loop: one function for supervisors, students and ceilings. Knows tensors, no tasks and no store.

Legend: N training rows, B rows of a batch, K options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.models.heads import Scorer
from outgrow.models.weights import load_state, trained_state
from outgrow.training.averages import Average
from outgrow.training.batches import Inputs, batch_stream
from outgrow.training.inference import Precision, autocast, predict, token_budget
from outgrow.training.losses import Loss, Moment
from outgrow.training.sharded import Share

GPU_BUDGET = 65_536
"""Tokens of a micro-batch on a GPU, and half as many whenever memory runs out; on a CPU the model's width decides."""
SYNC_EVERY = 16
"""Steps between two looks at the losses on a GPU, which would wait for it."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: AdamW, the rate rising over the warm-up, then falling linearly to 0."""

    steps: int
    batch: int
    lr: float
    weight_decay: float
    warmup: float

    @classmethod
    def over(
        cls, num_rows: int, *, epochs: int, batch: int, lr: float, weight_decay: float, warmup: float
    ) -> "Schedule":
        """Return the schedule that goes so many times over the rows; at least one step."""
        return cls(max(1, round(epochs * num_rows / batch)), batch, lr, weight_decay, warmup)

    def rate(self, step: int) -> float:
        """Return the factor on the learning rate at this step."""
        done = (step + 0.5) / self.steps
        return done / self.warmup if done < self.warmup else (1 - done) / (1 - self.warmup)


@dataclass(frozen=True)
class Compute:
    """How a batch is computed. Only `precision` changes numbers by more than rounding.

    `bf16`: activations in bf16, weights and optimizer in fp32. `packed`: without padding, where the model can.
    `budget`: tokens of a micro-batch, None for the device's. `checkpointing`: layers are computed twice, for memory.
    """

    precision: Precision = "fp32"
    packed: bool = False
    budget: int | None = None
    checkpointing: bool = False


@dataclass(frozen=True)
class Validation:
    """Rows that decide when to stop: the checkpoint that agrees most with these predictions is kept."""

    inputs: Inputs
    predicted_N: np.ndarray
    checks: int


@dataclass(frozen=True)
class Curve:
    """What is looked at so many times during training, for diagnostics alone: nothing is chosen by it."""

    points: int
    look: Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the weights in the scorer.

    The loss of every step, the step that was kept, the agreement at every check, `packed` or `padded`, the tokens of a
    micro-batch, and what the curve saw.
    """

    losses: list[float]
    kept_step: int
    agreement: list[float]
    batching: str = "padded"
    budget: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)

    @property
    def course(self) -> list[float]:
        """Return the mean loss of each of at most 20 parts of training, rounded: what a record keeps."""
        parts = np.array_split(np.array(self.losses), min(20, len(self.losses)))
        return [round(float(part.mean()), 5) for part in parts]


def finetune(
    scorer: Scorer,
    inputs: Inputs,
    labels: Labels,
    *,
    schedule: Schedule,
    loss: Loss,
    loss_options: Mapping[str, Any],
    moment: Moment,
    rng: np.random.Generator,
    weight_N: np.ndarray | None = None,
    compute: Compute | None = None,
    ema: float = 0.0,
    share: Share | None = None,
    validation: Validation | None = None,
    curve: Curve | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Trained:
    """Finetune what trains of the scorer on these labels, in place. Row n of the inputs has label n.

    The loss of a batch is sum(weight x loss) / B. `ema`: decay of an average of the weights, which is kept instead of
    the last ones; 0 for none. `share`: this process's part of the work on a sharded scorer. StepError where the loss is
    no number.
    """
    compute, share = compute or Compute(), share or Share()
    if compute.checkpointing:
        scorer.checkpoint()
    trainable = [each for each in scorer.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(
        trainable, lr=schedule.lr, weight_decay=schedule.weight_decay, betas=(0.9, 0.999), fused=True
    )
    batches = _Batches(scorer, inputs, labels, weight_N, loss, loss_options, compute, share)
    average, watch = Average(scorer, ema), _Watch(schedule, validation, compute, curve)
    scorer.train()
    for step, rows_B in enumerate(batch_stream(len(labels), batch=schedule.batch, steps=schedule.steps, rng=rng)):
        optimizer.param_groups[0]["lr"] = schedule.lr * schedule.rate(step)
        value = batches.backward(rows_B, replace(moment, progress=step / schedule.steps))
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        watch.look(value, step)
        if watch.due(step):
            with average.in_place():
                watch.check(scorer, step)
            scorer.train()
        progress(step + 1, schedule.steps, "steps")
    average.swap()
    if watch.kept is not None:
        load_state(scorer, watch.kept)
    batching = "packed" if compute.packed and scorer.manner.packs else "padded"
    return Trained(watch.losses, watch.kept_step, watch.agreement, batching, batches.budget, watch.curve)


class _Batches:
    """The rows and what they are trained towards; leaves a batch's gradients in the parameters, whatever its parts."""

    def __init__(
        self,
        scorer: Scorer,
        inputs: Inputs,
        labels: Labels,
        weight_N: np.ndarray | None,
        loss: Loss,
        options: Mapping[str, Any],
        compute: Compute,
        share: Share,
    ) -> None:
        self._share = share
        self._scorer, self._inputs, self._loss, self._options = scorer, inputs, loss, options
        self._device = next(scorer.parameters()).device
        self._targets_NK = torch.from_numpy(labels.dense()).to(self._device)
        weights = None if weight_N is None else torch.from_numpy(np.asarray(weight_N, np.float32)).to(self._device)
        self._weight_N, self._compute = weights, compute
        self.budget = compute.budget or (GPU_BUDGET if self._device.type == "cuda" else token_budget(scorer))

    def backward(self, rows_B: np.ndarray, now: Moment) -> torch.Tensor:
        """Add the gradient of the batch's loss to the parameters and return the loss, without gradient."""
        while True:
            try:
                return self._in_parts(rows_B, now)
            except torch.OutOfMemoryError:
                if self._share.world > 1:  # the other processes go on with parts of the size agreed on
                    raise
                if self.budget <= int(self._inputs.lengths[rows_B].max()):
                    raise
                self.budget //= 2
                self._scorer.zero_grad()
                torch.cuda.empty_cache()

    def _in_parts(self, rows_B: np.ndarray, now: Moment) -> torch.Tensor:
        share, target = self._share, self._loss.target
        packed = self._compute.packed and self._scorer.manner.packs
        parts = share.parts(self._inputs, rows_B, budget=self.budget, packed=packed)
        numbers_B = torch.from_numpy(rows_B).to(self._device)
        targets_BK, at_once = self._targets_NK[numbers_B], len(parts) == share.world == 1
        if target is not None and not at_once:
            targets_BK = target(self._logits(rows_B, parts, targets_BK), targets_BK, now, **self._options)
        total = torch.zeros((), device=self._device)
        for places, counts in parts:
            logits_BK = self._forward(rows_B[places])
            if target is not None and at_once:
                targets_BK = target(logits_BK.detach(), targets_BK, now, **self._options)
            places_B = torch.from_numpy(places).to(self._device)
            loss_B = self._loss.rows(logits_BK, targets_BK[places_B], now, **self._options)
            if self._weight_N is not None:
                loss_B = loss_B * self._weight_N[numbers_B[places_B]]
            value = loss_B.sum() / len(rows_B) * counts
            (value * share.world).backward()  # type: ignore[no-untyped-call]  # gradients are averaged over processes
            total = total + value.detach()
        return share.total(total)

    def _forward(self, rows_B: np.ndarray) -> torch.Tensor:
        with autocast(self._scorer, self._compute.precision):
            logits_BK: torch.Tensor = self._scorer(self._inputs.batch(rows_B), packed=self._compute.packed)
        return logits_BK

    @torch.no_grad()
    def _logits(
        self, rows_B: np.ndarray, parts: list[tuple[np.ndarray, bool]], targets_BK: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits of the whole batch; what dropout draws here it draws again where gradients are taken."""
        logits_BK = torch.zeros_like(targets_BK)
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            for places, counts in parts:
                found = self._forward(rows_B[places])
                if counts:
                    logits_BK[torch.from_numpy(places).to(self._device)] = found
        return self._share.total(logits_BK)


class _Watch:
    """Losses as they come, the best check so far, and the points of the curve."""

    def __init__(
        self, schedule: Schedule, validation: Validation | None, compute: Compute, curve: Curve | None
    ) -> None:
        self._schedule, self._validation, self._compute, self._curve = schedule, validation, compute, curve
        self._checks = _evenly(validation.checks if validation else 0, schedule.steps)
        self._points = _evenly(curve.points if curve else 0, schedule.steps)
        self.curve: list[dict[str, float]] = []
        self._waiting: list[torch.Tensor] = []
        self.losses, self.agreement = list[float](), list[float]()
        self.kept: dict[str, torch.Tensor] | None = None
        self.kept_step = schedule.steps

    def look(self, value: torch.Tensor, step: int) -> None:
        """Note the loss of a step; StepError where it is no number."""
        self._waiting.append(value)
        if value.is_cuda and len(self._waiting) < SYNC_EVERY and step + 1 < self._schedule.steps:
            return
        for each in torch.stack(self._waiting).tolist():
            self.losses.append(each)
            if not np.isfinite(each):
                lr = self._schedule.lr
                raise StepError(f"the loss is {each} at step {len(self.losses)}: lower training.lr (now {lr:g})")
        self._waiting = []

    def due(self, step: int) -> bool:
        """Return whether this step ends with a check or a point of the curve."""
        return step + 1 in self._checks | self._points

    def check(self, scorer: Scorer, step: int) -> None:
        """Note a point of the curve; note the agreement on validation rows and keep a copy of the best weights."""
        if self._curve is not None and step + 1 in self._points:
            self.curve.append({"step": step + 1} | self._curve.look())
        if self._validation is None or step + 1 not in self._checks:
            return
        found_NK = predict(
            scorer, self._validation.inputs, precision=self._compute.precision, packed=self._compute.packed
        )
        self.agreement.append(float((found_NK.argmax(1) == self._validation.predicted_N).mean()))
        if self.agreement[-1] > max(self.agreement[:-1], default=-1.0):
            self.kept = {name: tensor.clone() for name, tensor in trained_state(scorer).items()}
            self.kept_step = step + 1


def _evenly(count: int, steps: int) -> set[int]:
    return {round(steps * (i + 1) / count) for i in range(count)}
