"""Pairs can be swapped without changing anything else, and rules that read nothing are computed as controls."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.examples import Examples, Labels
from outgrow.seeds import generator
from outgrow.tasks.pairs import (
    accuracy_by_tag,
    capture_control,
    length_control,
    margin_bands,
    swapped,
    swapped_labels,
    together,
)


def rows_of(completions, truth, *, texts=None, margins=(), ids=None):
    names = ids or tuple(f"r{i}" for i in range(len(completions)))
    return Examples(names, names, texts or names, np.array(truth), tuple(completions), margins)


def labels_of(examples, *rows):
    return Labels.from_dense(examples.ids, np.array(rows, np.float32))


@st.composite
def some_rows(draw):
    """Return ragged rows, probabilities of their completions, and a mask of rows to swap."""
    sizes = draw(st.lists(st.integers(2, 4), min_size=1, max_size=6))
    rng = generator(draw(st.integers(0, 100)))
    examples = rows_of(
        [tuple(f"{i}{'x' * j}" for j in range(size)) for i, size in enumerate(sizes)],
        [int(rng.integers(size)) for size in sizes],
        margins=tuple(float(i) for i in range(len(sizes))),
    )
    probabilities_NK = np.zeros((len(sizes), 4), np.float32)
    for row, size in enumerate(sizes):
        probabilities_NK[row, :size] = rng.dirichlet(np.ones(size))
    return examples, Labels.from_dense(examples.ids, probabilities_NK), rng.random(len(sizes)) < 0.5


@given(some_rows())
def test_a_swap_moves_the_right_completion_to_the_mirrored_place_and_changes_nothing_else(drawn):
    examples, _, mask_N = drawn
    turned = swapped(examples, mask_N)
    for row, swap in enumerate(mask_N):
        before, after = examples.completions[row], turned.completions[row]
        assert after == (before[::-1] if swap else before)
        assert after[turned.truth_N[row]] == before[examples.truth_N[row]]
    assert (turned.ids, turned.groups, turned.texts) == (examples.ids, examples.groups, examples.texts)
    assert turned.margins == examples.margins
    again = swapped(turned, mask_N)
    assert again.completions == examples.completions
    assert (again.truth_N == examples.truth_N).all()


def test_swapping_every_pair_flips_every_label():
    examples = rows_of([("a", "b"), ("c", "d"), ("e", "f")], [0, 1, 1])
    turned = swapped(examples)
    assert turned.truth_N.tolist() == [1, 0, 0]
    assert turned.completions == (("b", "a"), ("d", "c"), ("f", "e"))


@given(some_rows())
def test_swapped_labels_go_with_their_completions_and_no_figure_changes(drawn):
    examples, labels, mask_N = drawn
    turned, turned_labels = swapped(examples, mask_N), swapped_labels(labels, examples, mask_N)
    right = labels.dense()[range(len(examples)), examples.truth_N]
    assert (turned_labels.dense()[range(len(examples)), turned.truth_N] == right).all()
    figures = together(length_control, margin_bands(0, 2))
    before, after = figures(labels, examples), figures(turned_labels, turned)
    assert before == pytest.approx(after)


def test_the_length_control_chooses_the_longest_and_halves_ties():
    examples = rows_of([("aa", "b"), ("a", "bbb"), ("aa", "bb")], [0, 0, 1])
    labels = labels_of(examples, [0.9, 0.1], [0.2, 0.8], [0.6, 0.4])
    found = length_control(labels, examples)
    assert found["length_control"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert found["chose_longest"] == pytest.approx((1 + 1 + 0.5) / 3)


def test_the_length_control_of_four_completions():
    examples = rows_of([("a", "bb", "cc", "c"), ("aaa", "b", "b", "b")], [2, 1])
    found = length_control(labels_of(examples, [1, 0, 0, 0], [1, 0, 0, 0]), examples)
    assert found == {"length_control": pytest.approx(0.25), "chose_longest": pytest.approx(0.5)}


def test_accuracy_by_margin_takes_each_row_into_one_band():
    examples = rows_of([("a", "b")] * 5, [0] * 5, margins=(60, 119, 120, 500, 20))
    labels = labels_of(examples, [1, 0], [0, 1], [0, 1], [1, 0], [1, 0])
    assert margin_bands(60, 120, 250, 400)(labels, examples) == {
        "accuracy_margin_60_to_120": 0.5,
        "accuracy_margin_120_to_250": 0.0,
        "accuracy_margin_400_up": 1.0,
    }


def test_rows_without_margins_have_no_bands():
    examples = rows_of([("a", "b")], [0])
    assert margin_bands(0)(labels_of(examples, [1, 0]), examples) == {}


def test_a_move_that_captures_is_seen_in_the_position():
    texts = ("Ke1 Pd4 ke8 pe5 castle:- ep:- ?",) * 3
    examples = rows_of([(" d4e5", " e1e2"), (" e1e2", " d4e5"), (" e1e2", " e1d1")], [0, 0, 0], texts=texts)
    labels = labels_of(examples, [1, 0], [0, 1], [1, 0])
    assert capture_control(labels, examples) == {
        "capture_control": pytest.approx((1 + 0 + 0.5) / 3),
        "chose_capture": pytest.approx((1 + 1 + 0.5) / 3),
    }


def test_accuracy_is_told_apart_by_the_end_of_the_id():
    examples = rows_of([("a", "b")] * 4, [0] * 4, ids=("t-1:x", "t-1:y", "t-2:x", "t-2:z"))
    labels = labels_of(examples, [1, 0], [1, 0], [0, 1], [1, 0])
    assert accuracy_by_tag({"x": "hard", "y": "easy"})(labels, examples) == {"accuracy_hard": 0.5, "accuracy_easy": 1.0}


def test_figures_do_not_depend_on_the_order_of_the_labels():
    examples = rows_of([("aa", "b"), ("a", "bbb")], [0, 0], margins=(1, 2))
    labels = labels_of(examples, [0.9, 0.1], [0.2, 0.8])
    figures = together(length_control, margin_bands(0, 2))
    assert figures(labels.take(examples.ids[::-1]), examples) == figures(labels, examples)
    assert Counter(figures(labels, examples)) == {
        "length_control": 0.5,
        "chose_longest": 1.0,
        "accuracy_margin_0_to_2": 1.0,
        "accuracy_margin_2_up": 0.0,
    }
