"""Attention within the sequences of a packed row: variable-length kernels on a GPU, stacks of equal length on a CPU.

Legend: S sequences, T tokens of all of them, L tokens of one, H heads, D width of a head.
"""

import inspect
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

try:
    from torch.nn.attention import varlen
except ImportError:  # a torch without variable-length kernels
    VARLEN: Any = None
else:
    VARLEN = varlen.varlen_attn
VARLEN_OPTIONS = frozenset(inspect.signature(VARLEN).parameters) if VARLEN else frozenset[str]()


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a packed row lie: one after the other, those of equal length next to each other."""

    lengths: tuple[int, ...]
    causal: bool
    device: torch.device

    @cached_property
    def runs(self) -> list[tuple[int, int]]:
        """Return each length with the number of sequences that have it, in order."""
        return [(length, len(list(same))) for length, same in groupby(self.lengths)]

    @cached_property
    def starts(self) -> torch.Tensor:
        """Return where every sequence starts, and the end of the last, (S + 1,)."""
        return torch.tensor((0, *self.lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32).to(self.device)

    @cached_property
    def grid(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which places of the padded sequences are real, (S, L), and their numbers, (T,)."""
        real_SL = torch.arange(max(self.lengths)) < torch.tensor(self.lengths)[:, None]
        return real_SL.to(self.device), real_SL.flatten().nonzero().squeeze(1).to(self.device)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    *,
    window: int | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
) -> torch.Tensor:
    """Return softmax(q k^T x scaling) v within each sequence, (1, T, H, D); query, key and value are (1, H, T, D).

    Keys and values may have fewer heads. `window`: only tokens less than this far apart see each other. Sequences
    that follow each other and are equally long are computed in one call.
    """
    if key.shape[1] != query.shape[1]:
        repeats = query.shape[1] // key.shape[1]
        key, value = (each.repeat_interleave(repeats, dim=1) for each in (key, value))
    query, key = query.to(value.dtype), key.to(value.dtype)
    if query.is_cuda and value.dtype in (torch.float16, torch.bfloat16) and not dropout and _varlen_can(window):
        return _by_kernel(query, key, value, layout, window, scaling)
    if query.is_cuda:
        return _padded(query, key, value, layout, window, dropout, scaling)
    return _by_length(query, key, value, layout, window, dropout, scaling)


def _by_length(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    window: int | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    sizes = [length * count for length, count in layout.runs]
    parts = zip(*(torch.split(each[0], sizes, dim=1) for each in (query, key, value)), layout.runs, strict=True)
    outputs = []
    for *heads_HTD, (length, count) in parts:
        q, k, v = (each.view(each.shape[0], count, length, each.shape[2]).transpose(0, 1) for each in heads_HTD)
        masked = window is not None and length > window
        mask = _mask(length, layout.causal, window, query.device) if masked else None
        out = scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=layout.causal and not masked, scale=scaling
        )
        outputs.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(outputs)[None]


def _mask(length: int, causal: bool, window: int | None, device: torch.device) -> torch.Tensor:
    """Return which tokens see which, (L, L)."""
    place_L = torch.arange(length, device=device)
    distance_LL = place_L[:, None] - place_L[None, :]
    allowed_LL = distance_LL >= 0 if causal else torch.ones_like(distance_LL, dtype=torch.bool)
    return allowed_LL if window is None else allowed_LL & (distance_LL.abs() < window)


def _padded(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    window: int | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Pad the sequences for attention alone, where no kernel takes them as they are (single precision, dropout)."""
    count, longest = len(layout.lengths), max(layout.lengths)
    real_SL, place_T = layout.grid
    padded = []
    for each in (query, key, value):
        flat = each.new_zeros(count * longest, each.shape[1], each.shape[3])
        flat = flat.index_copy(0, place_T, each[0].transpose(0, 1))
        padded.append(flat.view(count, longest, *flat.shape[1:]).transpose(1, 2))
    mask = None
    if not layout.causal or (window is not None and longest > window):
        mask = _mask(longest, layout.causal, window, query.device)[None, None] & real_SL[:, None, None, :]
        mask = mask | ~real_SL[:, None, :, None]  # what stands in the padding is never read, but must be finite
    q, k, v = padded
    out = scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None, scale=scaling
    )
    return out.transpose(1, 2).flatten(0, 1)[place_T][None]


def _varlen_can(window: int | None) -> bool:
    return bool(VARLEN_OPTIONS) and (window is None or "window_size" in VARLEN_OPTIONS)


def _by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    window: int | None,
    scaling: float | None,
) -> torch.Tensor:
    """Call torch's variable-length kernel, whose options differ between releases."""
    options: dict[str, Any] = {}
    if "window_size" in VARLEN_OPTIONS:
        left = -1 if window is None else window - 1
        options["window_size"] = (left, 0 if layout.causal else left)
    else:
        options["is_causal"] = layout.causal
    if scaling is not None and "scale" in VARLEN_OPTIONS:
        options["scale"] = scaling
    elif scaling is not None:
        query = query * (scaling * query.shape[-1] ** 0.5)
    longest = max(layout.lengths)
    q, k, v = (each[0].transpose(0, 1).contiguous() for each in (query, key, value))
    out: torch.Tensor = VARLEN(q, k, v, layout.starts, layout.starts, longest, longest, **options)
    return out[None]
