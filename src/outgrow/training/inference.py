"""Predictions without gradient: sorted by length under a token budget, since order cannot matter here."""

from collections.abc import Iterator

import numpy as np
import torch

from outgrow.models.heads import Scorer
from outgrow.training.batches import Tokens

TOKEN_BUDGET = 16_384


@torch.no_grad()
def predict(scorer: Scorer, tokens: Tokens, *, device: str) -> np.ndarray:
    """Return probabilities_NK in fp32, rows in the order of the tokens."""
    scorer.eval()
    parts = [(rows, _probabilities(scorer, tokens, rows, device)) for rows in _length_batches(tokens.lengths)]
    probabilities_NK = np.empty((len(tokens.lengths), parts[0][1].shape[1]), np.float32)
    for rows, part in parts:
        probabilities_NK[rows] = part
    return probabilities_NK


def _probabilities(scorer: Scorer, tokens: Tokens, rows_B: np.ndarray, device: str) -> np.ndarray:
    tokens_BT, length_B = tokens.batch(rows_B)
    logits_BK = scorer(tokens_BT.to(device), length_B.to(device))
    probabilities: np.ndarray = logits_BK.softmax(-1).cpu().numpy()
    return probabilities


def _length_batches(length_N: np.ndarray) -> Iterator[np.ndarray]:
    order_N = np.argsort(length_N, kind="stable")
    first = 0
    while first < len(order_N):
        # Sorted ascending, so the last row of the batch is its longest: grow while rows x longest fits the budget.
        widths = length_N[order_N[first:]] * np.arange(1, len(order_N) - first + 1)
        count = max(1, int(np.searchsorted(widths, TOKEN_BUDGET, side="right")))
        yield order_N[first : first + count]
        first += count
