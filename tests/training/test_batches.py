"""Batches are full and cut from a stream of permutations; long rows lose their beginning, no row is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.chess.encoding import word_ids, write_tokenizer
from outgrow.errors import StepError
from outgrow.examples import Examples
from outgrow.models.heads import load_tokenizer
from outgrow.training.batches import Inputs, batch_stream, encode, micro_batches


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


def encoded(tokenizer, texts, *, head="class", limit=10, completions=()):
    ids = tuple(str(i) for i in range(len(texts)))
    rows = Examples(ids, ids, tuple(texts), np.zeros(len(texts), np.int64), completions)
    return encode(tokenizer, rows, head=head, limit=limit)


def sequences(batch):
    return [part.tolist() for part in np.split(batch.flat_T, np.cumsum(batch.length_S)[:-1])]


def test_tokens_are_those_of_the_words_in_the_order_of_the_rows(tokenizer):
    ids = word_ids()
    inputs = encoded(tokenizer, ["Ke1 ke8 ?", "?", "Ke1 e2e4"])
    assert inputs.lengths.tolist() == [3, 1, 2]
    batch = inputs.batch(np.array([2, 0]))
    assert sequences(batch) == [[ids["Ke1"], ids["e2e4"]], [ids["Ke1"], ids["ke8"], ids["?"]]]
    assert (batch.num_rows, batch.row_S.tolist()) == (2, [0, 1])


def test_a_long_row_loses_its_beginning(tokenizer):
    batch = encoded(tokenizer, ["Ke1 ke8 Pa2 ?", "ke8 ?"], limit=2).batch(np.array([0, 1]))
    assert sequences(batch) == [[word_ids()[word] for word in words] for words in (("Pa2", "?"), ("ke8", "?"))]


def test_what_was_cut_is_told_by_row(tokenizer):
    assert encoded(tokenizer, ["Ke1 ke8 Pa2 ?", "ke8 ?"], limit=2).cut == {"texts_cut": 0.5}
    assert encoded(tokenizer, ["Ke1 ke8", "?"], limit=2).cut == {}
    completions = ((" e2e4", " a7a8q"), (" e2e4", " e2e4 a7a8q e2e4"), (" e2e4",), (" e2e4",))
    texts = ["Ke1 ?", "?", "?", "?"]
    assert encoded(tokenizer, texts, head="reward", completions=completions, limit=2).cut == {
        "texts_cut": 0.5,
        "options_cut": 0.25,
    }
    assert encoded(tokenizer, texts, head="reward", completions=completions, limit=3).cut == {"texts_cut": 0.25}


def test_options_are_sequences_of_their_row(tokenizer):
    ids = word_ids()
    completions = ((" e2e4", " a7a8q"), (" e2e4", " e2e4", " e2e4 a7a8q"))
    batch = encoded(tokenizer, ["Ke1 ?", "?"], head="reward", completions=completions).batch(np.array([1, 0, 1]))
    assert batch.row_S.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert batch.option_S.tolist() == [0, 1, 2, 1, 0, 0, 1, 2]  # in the order of their texts
    assert sequences(batch)[2:4] == [[ids["?"], ids["e2e4"], ids["a7a8q"]], [ids["Ke1"], ids["?"], ids["a7a8q"]]]
    assert batch.scored_S.tolist() == [1, 1, 1, 2, 2, 1, 1, 1]
    assert batch.num_options == 3


def test_rows_that_nothing_can_be_read_from_are_refused(tokenizer):
    with pytest.raises(StepError, match="no tokens"):
        encoded(tokenizer, ["Ke1", ""])
    with pytest.raises(StepError, match="text of every option"):
        encoded(tokenizer, ["Ke1", "?"], head="reward", completions=((" e2e4",), ()))
    with pytest.raises(StepError, match="only one"):
        encoded(tokenizer, [""], head="completion", completions=(("e2e4",),))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 40), st.booleans())
def test_micro_batches_are_the_batch_in_parts_within_the_budget(lengths, budget, packed):
    start, zeros = np.concatenate([[0], np.cumsum(lengths)]), np.zeros(len(lengths), np.int64)
    inputs = Inputs(np.zeros(start[-1], np.int64), start, np.arange(len(lengths) + 1), zeros, pad=0)
    rows_B = np.random.default_rng(0).permutation(len(lengths))
    parts = micro_batches(inputs, rows_B, budget=budget, packed=packed)
    assert np.concatenate(parts).tolist() == rows_B.tolist()
    for i, part in enumerate(parts):
        each = inputs.lengths[part]
        assert len(part) == 1 or (each.sum() if packed else each.max() * len(part)) <= budget
        if i + 1 < len(parts):  # one more row would have been too many
            more = inputs.lengths[np.append(part, parts[i + 1][0])]
            assert (more.sum() if packed else more.max() * len(more)) > budget
