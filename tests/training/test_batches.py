"""Batches are full and cut from a stream of permutations; long rows lose their beginning, no row is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.chess.encoding import word_ids, write_tokenizer
from outgrow.models.heads import load_tokenizer
from outgrow.training.batches import Tokens, batch_stream, tokenize


@pytest.fixture
def tokenizer(tmp_path):
    write_tokenizer(tmp_path)
    return load_tokenizer(tmp_path)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 30))
def test_every_batch_is_full_and_every_row_comes_once_before_any_comes_twice(num_rows, batch, steps):
    batches = list(batch_stream(num_rows, batch=batch, steps=steps, rng=np.random.default_rng(0)))
    assert [len(rows_B) for rows_B in batches] == [batch] * steps
    stream = np.concatenate(batches)
    for first in range(0, len(stream), num_rows):
        permutation = stream[first : first + num_rows]
        assert len(set(permutation.tolist())) == len(permutation)
        assert set(permutation.tolist()) <= set(range(num_rows))


def test_each_pass_has_an_order_of_its_own():
    batches = list(batch_stream(20, batch=20, steps=3, rng=np.random.default_rng(0)))
    assert len({tuple(rows_B) for rows_B in batches}) == 3


def test_a_longer_run_starts_with_the_same_batches():
    short, long = (batch_stream(9, batch=4, steps=steps, rng=np.random.default_rng(0)) for steps in (5, 8))
    assert [rows.tolist() for rows in short] == [rows.tolist() for rows in long][:5]


def test_tokens_are_those_of_the_words_and_padded_on_the_right(tokenizer):
    ids = word_ids()
    texts = ["Ke1 ke8 ?", "?", "Ke1 e2e4"]
    tokens = tokenize(tokenizer, texts, limit=10)
    assert tokens.lengths.tolist() == [3, 1, 2]
    tokens_BT, length_B = tokens.batch(np.array([2, 0]))
    assert length_B.tolist() == [2, 3]
    assert tokens_BT.tolist() == [[ids["Ke1"], ids["e2e4"], ids["[PAD]"]], [ids["Ke1"], ids["ke8"], ids["?"]]]


def test_a_long_row_loses_its_beginning(tokenizer):
    tokens = tokenize(tokenizer, ["Ke1 ke8 Pa2 ?", "ke8 ?"], limit=2)
    tokens_BT, length_B = tokens.batch(np.array([0, 1]))
    assert length_B.tolist() == [2, 2]
    assert tokens_BT.tolist() == [[word_ids()[word] for word in words] for words in (("Pa2", "?"), ("ke8", "?"))]


def test_a_batch_is_as_wide_as_its_longest_row_only():
    tokens = Tokens(np.arange(10), np.array([0, 1, 3, 10]), pad=99)
    assert tokens.batch(np.array([0, 1]))[0].tolist() == [[0, 99], [1, 2]]
