"""Several supervisors' labels as one set."""

import numpy as np
import pytest

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.pooling import POOLS


def labels(dense_NK, ids="abc"):
    return Labels.from_dense(ids, np.asarray(dense_NK, float))


SURE = [[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]]
UNSURE = [[0.4, 0.6], [0.5, 0.5], [0.0, 1.0]]


def test_the_mean():
    found = POOLS["mean"]([labels(SURE), labels(UNSURE)])
    np.testing.assert_allclose(found.dense(), [[0.65, 0.35], [0.5, 0.5], [0.5, 0.5]], rtol=1e-6)


def test_entropy_weights_are_those_of_the_formula():
    found = POOLS["entropy"]([labels(SURE), labels(UNSURE)]).dense()
    entropy = [-sum(p * np.log(p) for p in row) for row in (SURE[0], UNSURE[0])]
    weights = np.exp(-np.array(entropy)) / np.exp(-np.array(entropy)).sum()
    np.testing.assert_allclose(found[0], weights @ np.array([SURE[0], UNSURE[0]]), rtol=1e-6)
    assert found[0, 0] > 0.65  # nearer to the supervisor that is sure
    np.testing.assert_allclose(found[1:], 0.5)  # equally unsure; equally sure


@pytest.mark.parametrize("rule", POOLS)
def test_labels_are_joined_by_id_and_their_order_is_the_first_ones(rule):
    other = labels([UNSURE[i] for i in (2, 0, 1)], ids="cab")
    found = POOLS[rule]([labels(SURE), other])
    np.testing.assert_array_equal(found.dense(), POOLS[rule]([labels(SURE), labels(UNSURE)]).dense())
    assert found.ids == ("a", "b", "c")


@pytest.mark.parametrize("rule", POOLS)
def test_supervisors_of_one_mind_change_nothing(rule):
    np.testing.assert_allclose(POOLS[rule]([labels(SURE)] * 3).dense(), SURE, rtol=1e-6)


def test_one_supervisor_is_no_ensemble():
    with pytest.raises(StepError, match="at least two"):
        POOLS["mean"]([labels(SURE)])
    with pytest.raises(StepError, match="no weak label"):
        POOLS["mean"]([labels(SURE), labels(UNSURE[:2], ids="ab")])
    with pytest.raises(StepError, match="different numbers"):
        POOLS["mean"]([labels(SURE), labels(np.eye(3))])
