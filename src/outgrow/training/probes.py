"""Linear probes on stored features: cross-entropy towards labels that stay by LBFGS, every other loss by Adam.

Both minimise mean_n(weight_n x loss_n) + l2 / 2 x |W|^2 on standardised features, so that methods differ in their loss
and not in their penalty. The bias is not penalised. Statistics for standardising come from the training rows.

Where options are texts, every option of a row has features of its own, and one weight vector scores them all: the
logit of option k is w . x_k. A bias would be the same for all of them and cancel. The options of a row are sorted by
their features before they are looked at, so that swapping them changes no bit of the probe.

Legend: N rows, B rows of a batch, D features, K options, M weight vectors: K, or 1 where options have features of
their own. S rows, or all rows' options.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from outgrow.errors import StepError
from outgrow.examples import PAD_LOGIT
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

    def probabilities(self, features: np.ndarray, exists_NK: np.ndarray | None = None) -> np.ndarray:
        """Return probabilities_NK in fp32 of features_ND, or of features_NKD and which of the options exist."""
        if features.ndim == 3:
            return self._of_options(torch.from_numpy(features).float(), exists_NK)
        logits_NK = torch.from_numpy(features).float() @ self.weight_KD.T + self.bias_K
        found: np.ndarray = logits_NK.softmax(-1).numpy()
        return found

    def _of_options(self, features_NKD: Tensor, exists_NK: np.ndarray | None) -> np.ndarray:
        logits_NK = (features_NKD * self.weight_KD[0]).sum(-1)  # what an option gets depends on no other option
        if exists_NK is not None:
            logits_NK = logits_NK.masked_fill(~torch.from_numpy(exists_NK), PAD_LOGIT)
        found: np.ndarray = logits_NK.softmax(-1).numpy()
        return found


def fit_probe(
    features: np.ndarray,
    targets_NK: np.ndarray,
    weight_N: np.ndarray,
    *,
    loss: Loss,
    loss_options: Mapping[str, Any],
    moment: Moment,
    l2: float,
    rng: np.random.Generator,
    exists_NK: np.ndarray | None = None,
    always_adam: bool = False,
    device: str = "cpu",
) -> Probe:
    """Return the probe of this loss; StepError where the rows do not match or nothing finite comes out.

    `features`: features_ND; or features_NKD where options are texts, with `exists_NK` where rows differ in how many
    options they have. `rng` deals out Adam's batches; LBFGS draws nothing. `always_adam`: fixed targets too, so that a
    loss whose target moves is compared with one that was trained alike, 200 epochs from zero being short of the
    optimum.
    """
    if not len(features) == len(targets_NK) == len(weight_N):
        raise StepError(f"{len(features)} rows of features have {len(targets_NK)} labels: each row needs its own")
    if not (np.isfinite(features).all() and np.isfinite(targets_NK).all()):
        raise StepError("the features or labels of the probe are not finite: was the model run in too low a precision?")
    if features.ndim == 3:
        features, targets_NK, exists_NK = _sorted_options(features, targets_NK, exists_NK)
    every_MD = features if exists_NK is None else features[exists_NK]
    centre_D, scale_D = _statistics(every_MD.reshape(-1, features.shape[-1]))
    standard = (features - centre_D) / scale_D
    arrays = [torch.from_numpy(np.asarray(each)).to(device) for each in (standard, targets_NK, weight_N)]
    lacks_NK = None if exists_NK is None else torch.from_numpy(~exists_NK).to(device)
    if loss.rows is cross_entropy and loss.target is None and not always_adam:
        weight_KD, bias_K, course = fit_by_lbfgs(*arrays, l2=l2, lacks_NK=lacks_NK)
    else:
        weight_KD, bias_K, course = fit_by_adam(
            *arrays, loss=loss, loss_options=loss_options, moment=moment, l2=l2, rng=rng, lacks_NK=lacks_NK
        )
    raw_KD = weight_KD.cpu().double() / torch.from_numpy(scale_D)
    raw_K = bias_K.cpu().double() - raw_KD @ torch.from_numpy(centre_D)
    if features.ndim == 3:
        raw_K = torch.zeros_like(raw_K)  # the same for every option of a row
    if not (torch.isfinite(raw_KD).all() and torch.isfinite(raw_K).all()):
        raise StepError("the probe's weights are not finite: raise training.l2")
    return Probe(raw_KD.float(), raw_K.float(), course)


def _statistics(features_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centre_D and scale_D; a feature that never varies gets no weight anyway."""
    centre_D, scale_D = features_ND.mean(0, dtype=np.float64), features_ND.std(0, dtype=np.float64)
    scale_D[scale_D == 0] = 1.0
    return centre_D, scale_D


def _sorted_options(
    features_NKD: np.ndarray, targets_NK: np.ndarray, exists_NK: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return features, targets and existence with every row's options in the order of their features' sum."""
    order_NK = np.argsort(features_NKD.sum(-1), axis=1, kind="stable")
    features_NKD = np.take_along_axis(features_NKD, order_NK[..., None], axis=1)
    exists_NK = None if exists_NK is None else np.take_along_axis(exists_NK, order_NK, axis=1)
    return features_NKD, np.take_along_axis(targets_NK, order_NK, axis=1), exists_NK


def fit_by_lbfgs(
    features: Tensor, targets_NK: Tensor, weight_N: Tensor, *, l2: float, lacks_NK: Tensor | None = None
) -> tuple[Tensor, Tensor, list[float]]:
    """Return weight_MD and bias_M at the minimum of the penalised cross-entropy, and its value there.

    Computed in fp64. Features of language models are strongly correlated, so the search runs in coordinates in which
    the loss is about equally curved in all directions: those of the curvature at W = 0. `lacks_NK`: options that rows
    do not have, where options have features of their own.
    """
    features, targets_NK, weight_N = features.double(), targets_NK.double(), weight_N.double()
    num_rows, by_option = len(features), features.ndim == 3
    num_weights = 1 if by_option else targets_NK.shape[1]
    to_weights_DD = _preconditioner(features, weight_N, num_options=targets_NK.shape[1], l2=l2, lacks_NK=lacks_NK)
    turned = features @ to_weights_DD
    flat = torch.zeros(num_weights, features.shape[-1] + 1, dtype=torch.float64, device=features.device)
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
        weight_MD = flat[:, :-1] @ to_weights_DD.T
        log_f_NK = logits_of(turned, flat[:, :-1], flat[:, -1], lacks_NK).log_softmax(-1)
        error_NK = (log_f_NK.exp() * mass_N1 - targets_NK) * (weight_N[:, None] / num_rows)
        slope_MD = error_NK.reshape(1, -1) @ turned.flatten(0, 1) if by_option else error_NK.T @ turned
        slope_M = error_NK.new_zeros(1) if by_option else error_NK.sum(0)
        flat.grad = torch.cat([slope_MD + l2 * weight_MD @ to_weights_DD, slope_M[:, None]], dim=1)
        return -(weight_N * (targets_NK * log_f_NK).sum(1)).sum() / num_rows + l2 / 2 * weight_MD.square().sum()

    with torch.no_grad():
        search.step(value)  # type: ignore[no-untyped-call]
        final = float(value())
    assert flat.grad is not None
    if not float(flat.grad.abs().max()) <= STEEP:
        raise StepError(f"the probe found no minimum in {ITERATIONS} iterations: raise training.l2")
    return flat[:, :-1] @ to_weights_DD.T, flat[:, -1], [final]


def logits_of(features: Tensor, weight_MD: Tensor, bias_M: Tensor, lacks_NK: Tensor | None) -> Tensor:
    """Return logits_NK of features_ND, or of features_NKD; PAD_LOGIT for options that rows lack."""
    if features.ndim == 2:
        return torch.addmm(bias_M, features, weight_MD.T)
    logits_NK = features @ weight_MD[0]
    return logits_NK if lacks_NK is None else logits_NK.masked_fill(lacks_NK, PAD_LOGIT)


def _preconditioner(
    features: Tensor, weight_N: Tensor, *, num_options: int, l2: float, lacks_NK: Tensor | None = None
) -> Tensor:
    """Return C_DD with C C^T the inverse of the loss's curvature at W = 0, so that W = V C^T for the new weights V.

    Where options have features of their own, the curvature is their mean covariance within rows.
    """
    num_rows, width, weight_S1 = len(features), features.shape[-1], (weight_N / num_options)[:, None]
    if features.ndim == 3:
        exists_NK1 = torch.ones_like(features[..., :1]) if lacks_NK is None else (~lacks_NK).double()[..., None]
        counts_N11 = exists_NK1.sum(1, keepdim=True)
        features = (features - (features * exists_NK1).sum(1, keepdim=True) / counts_N11) * exists_NK1
        weight_S1 = (weight_N[:, None, None] / counts_N11).expand(-1, num_options, 1).flatten(0, 1)
        features = features.flatten(0, 1)
    second_DD = features.T @ (features * weight_S1) / num_rows
    tiny = 1e-6 * float(second_DD.diagonal().mean()) + 1e-12  # where l2 is 0 and features repeat one another
    eye_DD = torch.eye(width, dtype=torch.float64, device=features.device)
    lower_DD = torch.linalg.cholesky(second_DD + (l2 + tiny) * eye_DD)
    inverse_DD: Tensor = torch.linalg.solve_triangular(lower_DD, eye_DD, upper=False)
    return inverse_DD.T


def fit_by_adam(
    features: Tensor,
    targets_NK: Tensor,
    weight_N: Tensor,
    *,
    loss: Loss,
    loss_options: Mapping[str, Any],
    moment: Moment,
    l2: float,
    rng: np.random.Generator,
    lacks_NK: Tensor | None = None,
) -> tuple[Tensor, Tensor, list[float]]:
    """Return weight_MD, bias_M and the course of the loss: 200 epochs in batches of 128, from zero.

    Statistics that a loss takes of a batch are those of each batch of 128. Computed in fp32.
    """
    features, targets_NK, weight_N = features.float(), targets_NK.float(), weight_N.float()
    num_rows, num_weights = len(features), 1 if features.ndim == 3 else targets_NK.shape[1]
    steps = max(1, round(EPOCHS * num_rows / BATCH))
    weight_MD = torch.zeros(num_weights, features.shape[-1], device=features.device, requires_grad=True)
    bias_M = torch.zeros(num_weights, device=features.device, requires_grad=features.ndim == 2)
    trained = [each for each in (weight_MD, bias_M) if each.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=RATE, fused=True)
    values = torch.empty(steps)
    for step, rows in enumerate(batch_stream(num_rows, batch=BATCH, steps=steps, rng=rng)):
        rows_B = torch.from_numpy(rows).to(features.device)
        now = replace(moment, progress=step / steps)
        lacks_BK = None if lacks_NK is None else lacks_NK[rows_B]
        logits_BK = logits_of(features[rows_B], weight_MD, bias_M, lacks_BK)
        aim_BK = targets_NK[rows_B]
        if loss.target is not None:
            aim_BK = loss.target(logits_BK.detach(), aim_BK, now, **loss_options).detach()
        loss_B = loss.rows(logits_BK, aim_BK, now, **loss_options)
        value = (weight_N[rows_B] * loss_B).mean() + l2 / 2 * weight_MD.square().sum()
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        values[step] = value.detach()
    course = [round(float(part.mean()), 5) for part in np.array_split(values.numpy(), min(20, steps))]
    return weight_MD.detach(), bias_M.detach(), course
