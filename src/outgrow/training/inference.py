"""Predictions and features without gradient: sorted by length under a token budget, since order cannot matter here.

Legend: N rows, K options, D width.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch

from outgrow.errors import StepError
from outgrow.models.heads import Batch, Scorer
from outgrow.models.loading import Unembedding, logits_of
from outgrow.training.batches import Inputs
from outgrow.training.sharded import here

TOKEN_BUDGET, SMALLEST_BUDGET, CACHED = 16_384, 1_024, 2**28
"""Tokens of a batch: on a CPU fewer where the model is wide, since what no longer fits its caches comes at a third of
the speed; CACHED / width^2 within these bounds, a function of the model alone."""
ROWS_AT_ONCE = 256
"""So many rows at a time are projected to the vocabulary."""
Precision = Literal["fp32", "bf16"]


def autocast(scorer: torch.nn.Module, precision: Precision) -> torch.autocast:
    """Return the context in which a scorer computes in this precision; its weights stay in fp32."""
    device = next(scorer.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


def token_budget(scorer: Scorer) -> int:
    """Return how many tokens this scorer takes at once on a CPU."""
    return min(TOKEN_BUDGET, max(SMALLEST_BUDGET, CACHED // scorer.head.in_features**2))


def predict(scorer: Scorer, inputs: Inputs, *, precision: Precision = "fp32", packed: bool = False) -> np.ndarray:
    """Return probabilities_NK in fp32, rows in the order of the inputs. The scorer computes on its own device."""
    return _mapped(scorer, inputs, lambda batch: scorer(batch, packed=packed).softmax(-1), precision)


def features(scorer: Scorer, inputs: Inputs, *, precision: Precision = "fp32", packed: bool = False) -> np.ndarray:
    """Return what the head reads of every row, features_ND in fp32, or of each of its options, features_NKD.

    Options that a row lacks are zero. The completion head reads no one state: it raises StepError.
    """
    if scorer.kind == "completion":
        raise StepError("the completion head has no features: it reads every token of an option; use another head")
    return _mapped(scorer, inputs, lambda batch: _by_option(scorer.read(batch, packed=packed), batch), precision)


def log_probabilities(
    scorer: Scorer, inputs: Inputs, *, precision: Precision = "fp32", packed: bool = False
) -> np.ndarray:
    """Return the summed log-probability of each option's text, log_f_NK in fp32: the completion head's logits."""
    return _mapped(scorer, inputs, lambda batch: scorer(batch, packed=packed), precision)


def next_tokens(scorer: Scorer, inputs: Inputs, *, precision: Precision = "fp32", packed: bool = False) -> np.ndarray:
    """Return the most probable token of the whole vocabulary after every row, (N,); of equal ones the first.

    The scorer is one with the completion head, which is the unembedding.
    """

    def told(batch: Batch) -> torch.Tensor:
        states_SD = scorer.read(batch, packed=packed)
        unembedding = Unembedding(scorer.head, scorer.cap)
        with torch.autocast(states_SD.device.type, enabled=False):
            parts = [logits_of(unembedding, part).argmax(-1) for part in torch.split(states_SD, ROWS_AT_ONCE)]
        return torch.cat(parts)

    return _mapped(scorer, inputs, told, precision).astype(np.int64)  # fp32 holds every token's number exactly


def _by_option(states_SD: torch.Tensor, batch: Batch) -> torch.Tensor:
    if not batch.num_options:
        return states_SD
    places_NKD = states_SD.new_zeros(batch.num_rows, batch.num_options, states_SD.shape[1])
    places_NKD[torch.from_numpy(batch.row_S), torch.from_numpy(batch.option_S)] = states_SD
    return places_NKD


@torch.no_grad()
def _mapped(
    scorer: Scorer, inputs: Inputs, function: Callable[[Batch], torch.Tensor], precision: Precision
) -> np.ndarray:
    """Return function(batch) of all rows, in their order, computed in evaluation mode."""
    scorer.eval()
    found: torch.Tensor | None = None
    budget = token_budget(scorer) if next(scorer.parameters()).device.type == "cpu" else TOKEN_BUDGET
    share, batches = here(), list(_length_batches(inputs.longest, inputs.counts, budget))
    for first in range(0, len(batches), share.world):
        mine = first + share.rank
        # Processes that share a model only move together: one without a batch left repeats the last for nothing.
        rows = batches[min(mine, len(batches) - 1)]
        with autocast(scorer, precision):
            part = function(inputs.batch(rows)).float()
        found = part.new_zeros(len(inputs), *part.shape[1:], device="cpu") if found is None else found
        if mine < len(batches):
            found[torch.from_numpy(rows)] = part.cpu()
    assert found is not None
    whole: np.ndarray = share.total(found.to(next(scorer.parameters()).device)).cpu().numpy()
    return whole


def _length_batches(longest_N: np.ndarray, count_N: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    order_N = np.argsort(longest_N, kind="stable")
    first = 0
    while first < len(order_N):
        # Sorted ascending, so the last row of the batch is its longest: grow while all x longest fits the budget.
        widths = longest_N[order_N[first:]] * np.cumsum(count_N[order_N[first:]])
        count = max(1, int(np.searchsorted(widths, budget, side="right")))
        yield order_N[first : first + count]
        first += count
