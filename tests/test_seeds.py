"""Generators: a function of seed and purpose alone, the same for ever."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from outgrow.seeds import derive, generator

PURPOSES = st.lists(st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])), max_size=3)


def test_the_numbers_stay_what_they_were():
    assert derive(0) == 3456079177858693020
    assert derive(3, "batches", "chess-puzzle") == 3604168310121573511
    assert generator(3, "batches", "chess-puzzle").integers(1_000, size=4).tolist() == [383, 341, 375, 58]


@given(st.integers(0, 100), PURPOSES, st.integers(0, 100), PURPOSES)
def test_another_seed_or_purpose_gives_another_number(seed, purpose, other_seed, other_purpose):
    same = seed == other_seed and purpose == other_purpose
    assert (derive(seed, *purpose) == derive(other_seed, *other_purpose)) is same


@given(st.integers(0, 2**31), PURPOSES)
def test_a_seed_fits_into_63_bits(seed, purpose):
    assert 0 <= derive(seed, *purpose) < 2**63


def test_global_generators_are_neither_read_nor_moved():
    np.random.seed(1)
    random.seed(1)
    before = np.random.get_state()[1].tolist(), random.getstate()
    first = generator(5, "x").random(3)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    np.random.seed(2)
    assert (generator(5, "x").random(3) == first).all()


def test_two_generators_of_one_purpose_do_not_share_their_state():
    one, other = generator(5, "x"), generator(5, "x")
    one.random(10)
    assert other.random() == generator(5, "x").random()
