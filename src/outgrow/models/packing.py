"""Packing: sequences of unequal length go through a backbone as one row, each attending to itself alone.

All tokens pass the linear layers together, so nothing is spent on padding. Attention is replaced by a function that
is registered with transformers; whether a model keeps to it, whether it is causal, and from where it counts
positions, is found by running it on a few short sequences, never by its name.

Legend: S sequences, T tokens of all of them, L tokens of one, H heads, D width (of a head, in attention).
"""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface

from outgrow.models.attention import Layout, attend

NAME = "outgrow_packed"
TOLERANCE, BF16_TOLERANCE = 1e-4, 5e-2
"""How far packed and padded hidden states may be apart, relative to the largest of them."""
PROBED_WINDOW = 64
"""Sliding windows up to this size are tried out; sequences longer than a larger one are not packed."""


@dataclass(frozen=True)
class Batch:
    """S sequences that go through a model together, for B rows: one a row, or one for every option of a row.

    `flat_T` holds their tokens one after the other; sequence s is option `option_S[s]` of row `row_S[s]`, and its
    tokens from `scored_S[s]` on are that option's text.
    """

    flat_T: np.ndarray
    length_S: np.ndarray
    pad: int
    row_S: np.ndarray
    option_S: np.ndarray
    scored_S: np.ndarray
    num_rows: int
    num_options: int


@dataclass(frozen=True)
class Manner:
    """How a backbone wants its sequences. The default is that of a causal model without positions, padded.

    `first`: the position of a first token, None where positions are not taken. `packs`: packed and padded give the
    same. `window`: the longest sequence that may be packed, None for any.
    """

    causal: bool = True
    first: int | None = None
    packs: bool = False
    window: int | None = None


@dataclass(frozen=True)
class Hidden:
    """Last hidden states, and where in them sequence s begins: row `row_S[s]`, place `start_S[s]`."""

    states: torch.Tensor
    row_S: torch.Tensor
    start_S: torch.Tensor
    length_S: torch.Tensor

    def at(self, sequence_P: torch.Tensor, position_P: torch.Tensor) -> torch.Tensor:
        """Return the states of these tokens, (P, D)."""
        return self.states[self.row_S[sequence_P], self.start_S[sequence_P] + position_P]

    def last(self) -> torch.Tensor:
        """Return the state of every sequence's last real token, (S, D)."""
        return self.at(torch.arange(len(self.length_S), device=self.states.device), self.length_S - 1)

    def mean(self) -> torch.Tensor:
        """Return the mean over every sequence's real tokens, (S, D)."""
        every_S = torch.arange(len(self.length_S), device=self.states.device)
        sequence_T = every_S.repeat_interleave(self.length_S)
        begin_S = self.length_S.cumsum(0) - self.length_S
        position_T = torch.arange(len(sequence_T), device=self.states.device) - begin_S[sequence_T]
        states_TD = self.at(sequence_T, position_T)
        sums_SD = states_TD.new_zeros(len(every_S), states_TD.shape[-1]).index_add(0, sequence_T, states_TD)
        return sums_SD / self.length_S[:, None]


_ACTIVE: ContextVar[tuple[Any, Layout] | None] = ContextVar("active", default=None)
_SEEN: ContextVar[set[int] | None] = ContextVar("seen", default=None)
"""Collects the sliding windows that a model's layers ask for, while a model is being tried out."""


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within the sequences of the active layout; query, key, value are (1, H, T, D), the result (1, T, H, D)."""
    active = _ACTIVE.get()
    unknown = [name for name in ("softcap", "position_bias", "s_aux") if options.get(name) is not None]
    if active is None or attention_mask is not None or unknown:
        raise NotImplementedError(f"packed attention cannot be asked for this: {unknown}")
    window, seen = options.get("sliding_window"), _SEEN.get()
    if window is not None and seen is not None:
        seen.add(window)
    return attend(query, key, value, active[1], window=window, dropout=dropout, scaling=scaling), None


AttentionInterface.register(NAME, _attention)


@contextmanager
def _packed(config: Any, layout: Layout) -> Iterator[None]:
    """Let the model of this config attend by this layout, as long as the context lasts."""
    before, token = config._attn_implementation, _ACTIVE.set((config, layout))
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
        _ACTIVE.reset(token)


def checkpoint_contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of a checkpointed layer's two passes: the second attends by the layout of the first."""
    active = _ACTIVE.get()
    return nullcontext(), nullcontext() if active is None else _packed(*active)


def run(backbone: torch.nn.Module, batch: Batch, manner: Manner, *, packed: bool) -> Hidden:
    """Return the last hidden states of a batch, packed if asked and worth it, else padded on the right."""
    length_S = batch.length_S
    if packed and manner.packs and length_S.max() > length_S.min() and length_S.max() <= (manner.window or np.inf):
        return _run_packed(backbone, batch, manner)
    return _run_padded(backbone, batch, manner)


def _run_packed(backbone: Any, batch: Batch, manner: Manner) -> Hidden:
    device = next(backbone.parameters()).device
    order_S = np.argsort(batch.length_S, kind="stable")
    begin_S, length_S = np.cumsum(batch.length_S) - batch.length_S, batch.length_S[order_S]
    start_S = np.cumsum(length_S) - length_S
    position_T = np.arange(length_S.sum()) - np.repeat(start_S, length_S)
    flat_T = batch.flat_T[np.repeat(begin_S[order_S], length_S) + position_T]
    layout = Layout(tuple(length_S.tolist()), manner.causal, device)
    arguments = _arguments(backbone, manner)
    positions_1T = torch.from_numpy(position_T + (manner.first or 0)).to(device)[None]
    with _packed(backbone.config, layout):
        states = backbone(torch.from_numpy(flat_T).to(device)[None], position_ids=positions_1T, **arguments)
    return Hidden(
        states.last_hidden_state,
        torch.zeros(len(length_S), dtype=torch.long, device=device),
        torch.from_numpy(start_S[np.argsort(order_S)]).to(device),
        torch.from_numpy(batch.length_S).to(device),
    )


def _run_padded(backbone: Any, batch: Batch, manner: Manner) -> Hidden:
    device = next(backbone.parameters()).device
    length_S = batch.length_S
    real_ST = np.arange(length_S.max()) < length_S[:, None]
    tokens_ST = np.full(real_ST.shape, batch.pad, np.int64)
    tokens_ST[real_ST] = batch.flat_T
    arguments = _arguments(backbone, manner)
    if not manner.causal:
        # In a causal model no real token sees the padding on its right, so no mask is needed.
        if not real_ST.all():
            arguments["attention_mask"] = torch.from_numpy(real_ST).long().to(device)
        if manner.first is not None:
            positions_T = torch.arange(manner.first, manner.first + real_ST.shape[1], device=device)
            arguments["position_ids"] = positions_T.expand(len(length_S), -1)
    states = backbone(torch.from_numpy(tokens_ST).to(device), **arguments).last_hidden_state
    every_S = torch.arange(len(length_S), device=device)
    return Hidden(states, every_S, torch.zeros_like(every_S), torch.from_numpy(length_S).to(device))


def _arguments(backbone: Any, manner: Manner) -> dict[str, Any]:
    takes_cache = manner.causal and "use_cache" in inspect.signature(backbone.forward).parameters
    return {"use_cache": False} if takes_cache else {}


@torch.no_grad()
def find_manner(backbone: Any) -> Manner:
    """Find out how a backbone wants its sequences, by running it on a few short ones; leaves it in evaluation mode."""
    backbone.eval()
    pad = getattr(backbone.config, "pad_token_id", None) or 0
    manner = Manner(causal=_is_causal(backbone, pad))
    if "position_ids" not in inspect.signature(backbone.forward).parameters:
        return manner
    for first in (0, pad + 1):
        if _counts_from(backbone, manner, first, pad):
            return _with_packing(backbone, replace(manner, first=first), pad)
    return manner


def _is_causal(backbone: Any, pad: int) -> bool:
    """Return whether the first token's state does not depend on the last token."""
    tokens_BT = torch.from_numpy(_some_tokens(backbone, (5, 5), pad).flat_T).view(2, 5).to(backbone.device)
    tokens_BT[1, :4] = tokens_BT[0, :4]
    first_BD = backbone(tokens_BT).last_hidden_state[:, 0]
    return bool((first_BD[0] - first_BD[1]).abs().max() <= 1e-5 * first_BD.abs().max())


def _counts_from(backbone: Any, manner: Manner, first: int, pad: int) -> bool:
    tokens_BT = torch.from_numpy(_some_tokens(backbone, (5,), pad).flat_T)[None].to(backbone.device)
    positions_BT = torch.arange(first, first + 5, device=backbone.device)[None]
    try:
        placed = backbone(tokens_BT, position_ids=positions_BT, **_arguments(backbone, manner)).last_hidden_state
    except (IndexError, RuntimeError):
        return False
    return _close(placed, backbone(tokens_BT).last_hidden_state, TOLERANCE)


def _with_packing(backbone: Any, manner: Manner, pad: int) -> Manner:
    """Return the manner with what trying says of packing, on the device and in the precisions it will be used in."""
    trial, seen = replace(manner, packs=True), set[int]()
    checks = [(torch.float32, TOLERANCE)] + [(torch.bfloat16, BF16_TOLERANCE)] * (backbone.device.type == "cuda")
    for lengths in ((4, 2, 7, 2), None):
        windows = [each for each in seen if each <= PROBED_WINDOW]
        batch = _some_tokens(backbone, lengths or (max(windows, default=0) + 3, 2), pad)
        if lengths is None and not windows:
            break
        for dtype, tolerance in checks:
            with torch.autocast(backbone.device.type, dtype, enabled=dtype != torch.float32):
                if not _packs(backbone, batch, trial, tolerance, seen):
                    return manner
    return replace(trial, window=min((each for each in seen if each > PROBED_WINDOW), default=None))


def _packs(backbone: Any, batch: Batch, manner: Manner, tolerance: float, seen: set[int]) -> bool:
    """Return whether packed and padded states agree; the sliding windows that were asked for are added to `seen`."""
    padded = _run_padded(backbone, batch, manner)
    try:
        with _collecting(seen):
            packed = _run_packed(backbone, batch, manner)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return False  # an architecture of its own kind: padding is what remains, and it is recorded
    ones_S = torch.arange(len(batch.length_S), device=backbone.device)
    return all(
        _close(packed.at(ones_S, each), padded.at(ones_S, each), tolerance)
        for each in (torch.zeros_like(ones_S), packed.length_S // 2, packed.length_S - 1)
    )


@contextmanager
def _collecting(seen: set[int]) -> Iterator[None]:
    token = _SEEN.set(seen)
    try:
        yield
    finally:
        _SEEN.reset(token)


def _close(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    return bool((one - other).abs().max() <= tolerance * (1 + other.abs().max()))


def _some_tokens(backbone: Any, lengths: tuple[int, ...], pad: int) -> Batch:
    """Return sequences of these lengths of arbitrary tokens, none of them the padding."""
    size = backbone.get_input_embeddings().weight.shape[0]
    flat_T = np.random.default_rng(0).integers(0, size - 1, sum(lengths))
    every_S = np.arange(len(lengths))
    flat_T += flat_T >= pad
    zeros_S = np.zeros_like(every_S)
    return Batch(flat_T, np.array(lengths), pad, every_S, zeros_S, zeros_S, len(lengths), 1)
