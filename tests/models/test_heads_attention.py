"""Attention within packed sequences, by every route, against a plain loop over sequences and heads."""

import pytest
import torch

from outgrow.models import attention
from outgrow.models.attention import Layout, attend

LENGTHS, HEADS, WIDTH = (1, 2, 2, 5, 7, 7), 4, 8


def reference(query, key, value, *, causal, window, scaling):
    out, begin = torch.zeros(1, sum(LENGTHS), HEADS, WIDTH), 0
    for length in LENGTHS:
        for head in range(HEADS):
            shared = head // (HEADS // key.shape[1])
            q, k, v = (
                each[0, number, begin : begin + length]
                for each, number in ((query, head), (key, shared), (value, shared))
            )
            distance = torch.arange(length)[:, None] - torch.arange(length)[None]
            seen = (distance >= 0) | (not causal)
            seen = seen & ((distance.abs() < window) | (window is None)) if window else seen
            scores = (q @ k.T * scaling).masked_fill(~seen, float("-inf"))
            out[0, begin : begin + length, head] = scores.softmax(1) @ v
        begin += length
    return out


def kernel(q, k, v, starts, _, longest, __, *, window_size, scale=None):
    """Stand in for torch's variable-length kernel, which wants a GPU: (T, H, D), tokens within the window only."""
    assert longest == max(LENGTHS)
    left, right = (each if each >= 0 else 10**6 for each in window_size)
    place = torch.arange(len(q))
    row = torch.searchsorted(starts[1:].long(), place, right=True)
    distance = place[:, None] - place[None]
    seen = (row[:, None] == row[None]) & (distance <= left) & (-distance <= right)
    scores = torch.einsum("qhd,khd->hqk", q, k) * (scale or WIDTH**-0.5)
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, float("-inf")).softmax(-1), v)


ROUTES = {
    "by_length": attention._by_length,
    "padded": attention._padded,
    "by_kernel": lambda q, k, v, layout, window, dropout, scaling: attention._by_kernel(
        q, k, v, layout, window, scaling
    ),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("scaling", [0.5, WIDTH**-0.5])
def test_every_sequence_attends_to_itself_alone(monkeypatch, route, causal, window, scaling):
    monkeypatch.setattr(attention, "VARLEN", kernel)
    monkeypatch.setattr(attention, "VARLEN_OPTIONS", frozenset({"window_size", "scale"}))
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(1, sum(LENGTHS), HEADS, WIDTH, generator=generator).transpose(1, 2).requires_grad_()
        for _ in range(3)
    )
    expected = reference(q, k, v, causal=causal, window=window, scaling=scaling)
    found = ROUTES[route](q, k, v, Layout(LENGTHS, causal, torch.device("cpu")), window, 0.0, scaling)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weight = torch.randn(expected.shape, generator=generator)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), (q, k, v)),
        torch.autograd.grad((expected * weight).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_keys_and_values_may_have_fewer_heads():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, heads, sum(LENGTHS), WIDTH, generator=generator) for heads in (HEADS, 2, 2))
    found = attend(q, k, v, Layout(LENGTHS, True, torch.device("cpu")), scaling=0.5)
    torch.testing.assert_close(found, reference(q, k, v, causal=True, window=None, scaling=0.5), rtol=1e-5, atol=1e-5)
