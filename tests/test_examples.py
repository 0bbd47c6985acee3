"""Splits and labels: groups never straddle, sizes and balance are exact, joins are by id."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outgrow.errors import StepError
from outgrow.examples import STORED_OPTIONS, Examples, Labels, cut, fixed_order, joined, seeded_order

GROUPS = st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=40)


def examples(groups, truth=None):
    num = len(groups)
    truth_N = np.array([i % 2 for i in range(num)] if truth is None else truth, np.int64)
    return Examples(tuple(f"id{i}" for i in range(num)), tuple(groups), tuple(f"text {i}" for i in range(num)), truth_N)


@given(GROUPS, st.lists(st.integers(0, 8), max_size=4), st.integers(0, 3))
def test_splits_have_their_sizes_and_share_neither_rows_nor_groups(groups, sizes, seed):
    rows, wanted = examples(groups), {f"split{i}": size for i, size in enumerate(sizes)}
    order = seeded_order(rows.groups, seed=seed, purpose="test")
    try:
        splits = cut(rows, wanted, order=order)
    except StepError:
        # Whole groups are dealt out, so up to a group's rows are lost at the end of each split, never more.
        largest = max(groups.count(group) for group in set(groups))
        assert sum(sizes) + len(sizes) * (largest - 1) > len(groups)
        return
    assert {name: len(ids) for name, ids in splits.items()} == wanted
    seen = [set(rows.take(ids).groups) for ids in splits.values()]
    assert sum(map(len, seen)) == len(set().union(*seen))
    assert len({each for ids in splits.values() for each in ids}) == sum(sizes)


@given(st.lists(st.tuples(st.integers(0, 24).map(str), st.integers(0, 2)), min_size=50, max_size=60), st.integers(0, 3))
def test_balanced_splits_have_as_many_rows_of_every_class(rows, seed):
    groups, truth = zip(*rows, strict=True)
    them = examples(groups, truth)
    order = seeded_order(them.groups, seed=seed, purpose="test")
    try:
        splits = cut(them, {"a": 6, "b": 3}, order=order, balanced_classes=3)
    except StepError:
        assume(False)
    for name, each in (("a", 2), ("b", 1)):
        assert np.bincount(them.take(splits[name]).truth_N, minlength=3).tolist() == [each] * 3
    assert not set(them.take(splits["a"]).groups) & set(them.take(splits["b"]).groups)


def test_a_size_that_cannot_be_balanced_is_refused():
    with pytest.raises(StepError, match="split student has 5 rows: that cannot be balanced over 2"):
        cut(examples("abcdefgh"), {"student": 5}, order="abcdefgh", balanced_classes=2)


def test_too_few_rows_say_which_split_ran_out():
    with pytest.raises(StepError, match="split student got 1 of 3 rows before the task's 4 rows ran out"):
        cut(examples("abcd"), {"supervisor": 3, "student": 3}, order="abcd")


@given(GROUPS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_groups_does_not_depend_on_the_order_of_rows(groups, seed, random):
    shuffled = random.sample(groups, len(groups))
    assert seeded_order(shuffled, seed=seed, purpose="p") == seeded_order(groups, seed=seed, purpose="p")
    assert fixed_order(shuffled, purpose="p") == fixed_order(groups, purpose="p")


@given(GROUPS, st.sets(st.sampled_from("mnopq")))
def test_further_groups_do_not_change_the_fixed_order_of_the_others(groups, more):
    together = fixed_order([*groups, *more], purpose="test")
    assert [group for group in together if group in groups] == fixed_order(groups, purpose="test")


def test_a_larger_split_in_a_fixed_order_holds_the_smaller_one():
    them = examples([str(i) for i in range(50)])
    order = fixed_order(them.groups, purpose="test")
    small, large = (cut(them, {"test": size}, order=order)["test"] for size in (10, 20))
    assert large[:10] == small


def test_splits_added_at_the_end_leave_the_others_as_they_were():
    them = examples([str(i // 3) for i in range(90)])
    order = seeded_order(them.groups, seed=1, purpose="chess")
    few = cut(them, {"supervisor": 10, "student": 20}, order=order)
    more = cut(them, {"supervisor": 10, "student": 20, "link_1": 10, "link_2": 5}, order=order)
    assert few == {name: more[name] for name in few}


def test_seeds_deal_groups_out_differently():
    groups = [str(i) for i in range(30)]
    orders = {tuple(seeded_order(groups, seed=seed, purpose="chess")) for seed in range(5)}
    assert len(orders) == 5
    assert {tuple(sorted(each)) for each in orders} == {tuple(sorted(groups))}


def test_rows_are_joined_by_id_and_a_missing_one_raises():
    them = examples("aabb", [0, 1, 1, 0])
    taken = them.take(["id3", "id0"])
    assert (taken.ids, taken.groups, taken.texts) == (("id3", "id0"), ("b", "a"), ("text 3", "text 0"))
    assert taken.truth_N.tolist() == [0, 0]
    with pytest.raises(StepError, match="2 ids are not among the rows, the first is 'id7'"):
        them.take(["id0", "id7", "id9"])


def test_an_id_that_occurs_twice_is_refused():
    with pytest.raises(StepError, match="the id 'b' occurs twice"):
        Examples(("a", "b", "b"), ("g",) * 3, ("t",) * 3, np.zeros(3, np.int64))


def test_groups_are_numbered_in_order_of_appearance():
    assert examples("bbabc").group_numbers() == [0, 0, 1, 0, 2]


@st.composite
def distributions(draw, *, min_options=2, max_options=60):
    num_rows, num_options = draw(st.integers(1, 5)), draw(st.integers(min_options, max_options))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.dirichlet(np.full(num_options, draw(st.sampled_from([0.05, 1.0]))), num_rows).astype(np.float32)


def ids_of(probabilities_NK):
    return [f"id{i}" for i in range(len(probabilities_NK))]


@given(distributions(max_options=STORED_OPTIONS))
def test_few_options_are_stored_whole(probabilities_NK):
    labels = Labels.from_dense(ids_of(probabilities_NK), probabilities_NK)
    np.testing.assert_array_equal(labels.dense(), probabilities_NK)
    assert labels.predicted().tolist() == probabilities_NK.argmax(1).tolist()


@given(distributions(min_options=STORED_OPTIONS + 1))
def test_of_many_options_the_largest_are_kept_and_the_rest_is_spread_evenly(probabilities_NK):
    dense_NK = Labels.from_dense(ids_of(probabilities_NK), probabilities_NK).dense()
    np.testing.assert_allclose(dense_NK.sum(1), 1, atol=1e-5)
    for dense_K, given_K in zip(dense_NK, probabilities_NK, strict=True):
        top = np.argsort(-given_K, kind="stable")[:STORED_OPTIONS]
        rest = np.delete(np.arange(len(given_K)), top)
        np.testing.assert_array_equal(dense_K[top], given_K[top])
        np.testing.assert_allclose(dense_K[rest], given_K[rest].mean(dtype=float), atol=1e-6)


@given(distributions())
def test_labels_that_go_through_their_dense_form_stay_the_same(probabilities_NK):
    once = Labels.from_dense(ids_of(probabilities_NK), probabilities_NK)
    twice = Labels.from_dense(once.ids, once.dense())
    np.testing.assert_allclose(twice.dense(), once.dense(), atol=1e-7)
    np.testing.assert_array_equal(twice.predicted(), once.predicted())


def test_hard_labels_put_all_mass_on_the_first_of_the_largest():
    labels = Labels.from_dense(["a", "b"], np.array([[0.2, 0.4, 0.4], [0.0, 0.1, 0.9]], np.float32))
    assert labels.hard().dense().tolist() == [[0, 1, 0], [0, 0, 1]]
    assert labels.predicted().tolist() == [1, 2]


def test_true_labels_put_all_mass_on_the_right_option():
    labels = Labels.from_truth(examples("ab", [2, 0]), 40)
    assert labels.dense().argmax(1).tolist() == [2, 0]
    assert labels.dense().sum() == 2


def test_labels_are_taken_in_the_order_asked_for_and_a_missing_one_raises():
    labels = Labels.from_dense(["a", "b", "c"], np.eye(3, dtype=np.float32))
    assert labels.take(["c", "a"]).dense().tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(StepError, match="1 rows have no weak label, the first is 'd'"):
        labels.take(["a", "d"])


def test_parts_are_joined_unless_they_share_an_id():
    one = Labels.from_dense(["a"], np.array([[0.25, 0.75]], np.float32))
    other = Labels.from_dense(["b"], np.array([[0.5, 0.5]], np.float32))
    assert joined([one, other]).take(["b", "a"]).dense().tolist() == [[0.5, 0.5], [0.25, 0.75]]
    with pytest.raises(StepError, match="share an id"):
        joined([one, one])


def test_options_that_tie_are_ranked_by_their_texts_wherever_they_stand():
    texts = (" b", " a", " c")
    one = Examples(("x", "y"), ("x", "y"), ("", ""), np.array([0, 0]), (texts, texts[:2]))
    other = Examples(("x", "y"), ("x", "y"), ("", ""), np.array([2, 1]), (texts[::-1], texts[1::-1]))
    even_NK = np.array([[1, 1, 1], [0.5, 0.5, 0]]) / [[3], [1]]
    for rows in (one, other):
        labels = Labels.from_dense(rows.ids, even_NK, rank_NK=rows.ranks(3))
        chosen = [rows.completions[row][option] for row, option in enumerate(labels.predicted())]
        assert chosen == [" a", " a"]
    sure = Labels.from_dense(("x",), np.array([[0.2, 0.3, 0.5]]), rank_NK=np.array([[0, 1, 2]]))
    assert sure.options_NT.tolist() == [[2, 1, 0]]
    assert examples("ab").ranks(2) is None
