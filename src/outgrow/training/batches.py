"""Tokens and batches. Batches are i.i.d. draws without replacement, cut from a continuous stream of permutations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokens:
    """Token ids of N rows (ragged) in one array: row n is flat[start[n] : start[n + 1]]."""

    flat: np.ndarray
    start: np.ndarray
    pad: int

    @property
    def lengths(self) -> np.ndarray:
        """Return the number of tokens of every row, (N,)."""
        return np.diff(self.start)

    def batch(self, rows_B: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens_BT, padded on the right, and length_B."""
        length_B = self.lengths[rows_B]
        tokens_BT = np.full((len(rows_B), length_B.max()), self.pad, np.int64)
        for i, row in enumerate(rows_B):
            tokens_BT[i, : length_B[i]] = self.flat[self.start[row] : self.start[row + 1]]
        return torch.from_numpy(tokens_BT), torch.from_numpy(length_B)


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, limit: int) -> Tokens:
    """Return the tokens of these texts; longer ones keep their last `limit` tokens, so no row is ever dropped."""
    encoded = [ids[-limit:] for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    start = np.concatenate([[0], np.cumsum([len(ids) for ids in encoded], dtype=np.int64)])
    flat = np.concatenate([np.asarray(ids, np.int64) for ids in encoded])
    return Tokens(flat, start, tokenizer.pad_token_id or 0)


def batch_stream(num_rows: int, *, batch: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield `steps` full batches of row numbers, rows_B: every row once before any row twice."""
    stream = np.concatenate([rng.permutation(num_rows) for _ in range(-(-batch * steps // num_rows))])
    for step in range(steps):
        yield stream[step * batch : (step + 1) * batch]
