import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from outgrow.metrics import accuracy, agreement

options = st.integers(0, 3)
rows = st.lists(st.tuples(options, options, options), min_size=1, max_size=30)


@given(rows)
def test_accuracy_is_the_share_of_right_rows(rows):
    predicted, truth, _ = np.array(rows).T
    assert accuracy(predicted, truth) == pytest.approx(sum(a == b for a, b, _ in rows) / len(rows))


@given(rows)
def test_weights_count_a_row_as_often_as_repeating_it(rows):
    predicted, truth, extra = np.array(rows).T
    weights = extra + 1
    repeated = accuracy(np.repeat(predicted, weights), np.repeat(truth, weights))
    assert_allclose(accuracy(predicted, truth, weights_N=weights / 7), repeated)


@given(rows, st.permutations(range(4)), st.randoms(use_true_random=False))
def test_renaming_options_and_reordering_rows_change_nothing(rows, names, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    before, after = np.array(rows).T, np.array(names)[np.array(shuffled).T]
    assert accuracy(before[0], before[1]) == accuracy(after[0], after[1])
    assert agreement(before[0], before[1], truth_N=before[2]) == agreement(after[0], after[1], truth_N=after[2])


def test_agreement_where_the_supervisor_is_right_and_wrong():
    found = agreement([1, 1, 0, 0, 2], [1, 1, 1, 0, 0], truth_N=[1, 0, 1, 0, 2])
    assert (found.num_rows, found.num_right, found.num_wrong) == (5, 3, 2)
    assert (found.overall, found.where_right, found.where_wrong) == pytest.approx((3 / 5, 2 / 3, 1 / 2))


def test_agreement_is_none_where_there_are_no_such_rows():
    assert agreement([0, 1], [0, 0], truth_N=[0, 0]).where_wrong is None
    assert agreement([0, 1], [0, 0], truth_N=[1, 1]).where_right is None


@pytest.mark.parametrize(
    ("predicted", "truth", "weights", "named"),
    [
        ([], [], None, "predicted_N"),
        ([0.2, 0.8], [0, 1], None, "predicted_N"),
        ([0, 1], [0], None, "truth_N"),
        ([0, 1], [0, 1], [1.0], "weights_N"),
        ([0, 1], [0, 1], [1.0, -1.0], "weights_N"),
        ([0, 1], [0, 1], [0.0, 0.0], "weights_N"),
    ],
)
def test_bad_input_is_refused_by_name(predicted, truth, weights, named):
    with pytest.raises(ValueError, match=named):
        accuracy(predicted, truth, weights_N=weights)
