"""Linear probes on stored features: cross-entropy towards labels that stay by LBFGS, every other loss by Adam.

Both minimise mean_n(weight_n x loss_n) + l2 / 2 x |W|^2 on standardised features, so that methods differ in their loss
and not in their penalty. The bias is not penalised. Statistics for standardising come from the training rows.

Legend: N rows, B rows of a batch, D features, K options.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from outgrow.errors import StepError
from outgrow.training.batches import batch_stream
from outgrow.training.losses import Loss, Moment, cross_entropy

EPOCHS, BATCH, RATE = 200, 128, 1e-3
"""Of Adam, as Burns et al. 2023, appendix D.2."""
ITERATIONS, FLAT = 500, 1e-6
"""Of LBFGS: at most so many, and the largest part of the gradient at which it has arrived."""
STEEP = 1e-3
"""LBFGS that stops where the gradient is larger than this has failed."""


@dataclass(frozen=True)
class Probe:
    """A linear layer on raw features, and the course of the loss in training."""

    weight_KD: Tensor
    bias_K: Tensor
    loss: list[float] = field(default_factory=list)

    def probabilities(self, features_ND: np.ndarray) -> np.ndarray:
        """Return probabilities_NK in fp32."""
        logits_NK = torch.from_numpy(features_ND).float() @ self.weight_KD.T + self.bias_K
        found: np.ndarray = logits_NK.softmax(-1).numpy()
        return found


def fit_probe(
    features_ND: np.ndarray,
    targets_NK: np.ndarray,
    weight_N: np.ndarray,
    *,
    loss: Loss,
    loss_options: Mapping[str, Any],
    moment: Moment,
    l2: float,
    rng: np.random.Generator,
    always_adam: bool = False,
    device: str = "cpu",
) -> Probe:
    """Return the probe of this loss; StepError where the rows do not match or nothing finite comes out.

    `rng` deals out Adam's batches; LBFGS draws nothing. `always_adam`: fixed targets too, so that a loss whose target
    moves is compared with one that was trained alike, 200 epochs from zero being short of the optimum.
    """
    if not len(features_ND) == len(targets_NK) == len(weight_N):
        raise StepError(f"{len(features_ND)} rows of features have {len(targets_NK)} labels: each row needs its own")
    if not (np.isfinite(features_ND).all() and np.isfinite(targets_NK).all()):
        raise StepError("the features or labels of the probe are not finite: was the model run in too low a precision?")
    centre_D, scale_D = features_ND.mean(0, dtype=np.float64), features_ND.std(0, dtype=np.float64)
    scale_D[scale_D == 0] = 1.0  # a feature that never varies gets no weight anyway
    standard_ND = (features_ND - centre_D) / scale_D
    arrays = [torch.from_numpy(np.asarray(each)).to(device) for each in (standard_ND, targets_NK, weight_N)]
    if loss.rows is cross_entropy and loss.target is None and not always_adam:
        weight_KD, bias_K, course = fit_by_lbfgs(*arrays, l2=l2)
    else:
        weight_KD, bias_K, course = fit_by_adam(
            *arrays, loss=loss, loss_options=loss_options, moment=moment, l2=l2, rng=rng
        )
    raw_KD = weight_KD.cpu().double() / torch.from_numpy(scale_D)
    raw_K = bias_K.cpu().double() - raw_KD @ torch.from_numpy(centre_D)
    if not (torch.isfinite(raw_KD).all() and torch.isfinite(raw_K).all()):
        raise StepError("the probe's weights are not finite: raise training.l2")
    return Probe(raw_KD.float(), raw_K.float(), course)


def fit_by_lbfgs(
    features_ND: Tensor, targets_NK: Tensor, weight_N: Tensor, *, l2: float
) -> tuple[Tensor, Tensor, list[float]]:
    """Return weight_KD and bias_K at the minimum of the penalised cross-entropy, and its value there.

    Computed in fp64. Features of language models are strongly correlated, so the search runs in coordinates in which
    the loss is about equally curved in all directions: those of the curvature at W = 0.
    """
    features_ND, targets_NK, weight_N = features_ND.double(), targets_NK.double(), weight_N.double()
    num_rows, num_options = targets_NK.shape
    to_weights_DD = _preconditioner(features_ND, weight_N, num_options=num_options, l2=l2)
    turned_ND = features_ND @ to_weights_DD
    flat = torch.zeros(num_options, features_ND.shape[1] + 1, dtype=torch.float64, device=features_ND.device)
    search = torch.optim.LBFGS(
        [flat],
        max_iter=ITERATIONS,
        history_size=10,
        tolerance_grad=FLAT,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )
    mass_N1 = targets_NK.sum(1, keepdim=True)

    def value() -> Tensor:
        weight_KD = flat[:, :-1] @ to_weights_DD.T
        log_f_NK = torch.addmm(flat[:, -1], turned_ND, flat[:, :-1].T).log_softmax(-1)
        error_NK = (log_f_NK.exp() * mass_N1 - targets_NK) * (weight_N[:, None] / num_rows)
        slope_KD = error_NK.T @ turned_ND + l2 * weight_KD @ to_weights_DD
        flat.grad = torch.cat([slope_KD, error_NK.sum(0)[:, None]], dim=1)
        return -(weight_N * (targets_NK * log_f_NK).sum(1)).sum() / num_rows + l2 / 2 * weight_KD.square().sum()

    with torch.no_grad():
        search.step(value)  # type: ignore[no-untyped-call]
        final = float(value())
    assert flat.grad is not None
    if not float(flat.grad.abs().max()) <= STEEP:
        raise StepError(f"the probe found no minimum in {ITERATIONS} iterations: raise training.l2")
    return flat[:, :-1] @ to_weights_DD.T, flat[:, -1], [final]


def _preconditioner(features_ND: Tensor, weight_N: Tensor, *, num_options: int, l2: float) -> Tensor:
    """Return C_DD with C C^T the inverse of the loss's curvature at W = 0, so that W = V C^T for the new weights V."""
    width = features_ND.shape[1]
    second_DD = features_ND.T @ (features_ND * (weight_N / num_options)[:, None]) / len(features_ND)
    tiny = 1e-6 * float(second_DD.diagonal().mean()) + 1e-12  # where l2 is 0 and features repeat one another
    eye_DD = torch.eye(width, dtype=torch.float64, device=features_ND.device)
    lower_DD = torch.linalg.cholesky(second_DD + (l2 + tiny) * eye_DD)
    inverse_DD: Tensor = torch.linalg.solve_triangular(lower_DD, eye_DD, upper=False)
    return inverse_DD.T


def fit_by_adam(
    features_ND: Tensor,
    targets_NK: Tensor,
    weight_N: Tensor,
    *,
    loss: Loss,
    loss_options: Mapping[str, Any],
    moment: Moment,
    l2: float,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, list[float]]:
    """Return weight_KD, bias_K and the course of the loss: 200 epochs in batches of 128, from zero.

    Statistics that a loss takes of a batch are those of each batch of 128. Computed in fp32.
    """
    features_ND, targets_NK, weight_N = features_ND.float(), targets_NK.float(), weight_N.float()
    num_rows, num_options = targets_NK.shape
    steps = max(1, round(EPOCHS * num_rows / BATCH))
    weight_KD = torch.zeros(num_options, features_ND.shape[1], device=features_ND.device, requires_grad=True)
    bias_K = torch.zeros(num_options, device=features_ND.device, requires_grad=True)
    optimizer = torch.optim.Adam([weight_KD, bias_K], lr=RATE, fused=True)
    values = torch.empty(steps)
    for step, rows in enumerate(batch_stream(num_rows, batch=BATCH, steps=steps, rng=rng)):
        rows_B = torch.from_numpy(rows).to(features_ND.device)
        now = replace(moment, progress=step / steps)
        logits_BK = torch.addmm(bias_K, features_ND[rows_B], weight_KD.T)
        aim_BK = targets_NK[rows_B]
        if loss.target is not None:
            aim_BK = loss.target(logits_BK.detach(), aim_BK, now, **loss_options).detach()
        loss_B = loss.rows(logits_BK, aim_BK, now, **loss_options)
        value = (weight_N[rows_B] * loss_B).mean() + l2 / 2 * weight_KD.square().sum()
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        values[step] = value.detach()
    course = [round(float(part.mean()), 5) for part in np.array_split(values.numpy(), min(20, steps))]
    return weight_KD.detach(), bias_K.detach(), course
