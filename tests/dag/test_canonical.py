"""Canonical JSON: one text for one value, and no text at all for what it does not know."""

import datetime
import enum
import json
import math
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.dag.canonical import canonical_json, digest

NUMBERS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


class Colour(enum.StrEnum):
    RED = "red"


@given(VALUES)
def test_the_text_is_json_that_reads_back_as_the_value(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_means_nothing(value, random):
    names = list(value)
    random.shuffle(names)
    assert canonical_json({name: value[name] for name in names}) == canonical_json(value)


@given(VALUES, VALUES)
def test_two_values_have_one_text_only_if_they_are_equal(one, other):
    if canonical_json(one) == canonical_json(other):
        assert one == other


def test_sequences_and_mappings_of_any_make_have_the_text_of_plain_ones():
    assert canonical_json((1, [2, (3,)])) == canonical_json([1, [2, [3]]])
    assert canonical_json(MappingProxyType({"a": 1})) == canonical_json({"a": 1})


def test_numbers_that_compare_equal_but_are_of_another_type_differ():
    assert len({canonical_json(each) for each in (1, 1.0, True)}) == 3
    assert digest({"a": 0}) != digest({"a": False})


@pytest.mark.parametrize(
    "value",
    [
        np.float64(1.0),
        np.int64(1),
        np.bool_(True),
        np.zeros(2),
        {1, 2},
        frozenset(),
        b"bytes",
        datetime.date(2026, 1, 1),
        datetime.datetime(2026, 1, 1),
        Path("somewhere"),
        Colour.RED,
        1 + 2j,
        object,
        len,
        range(3),
        math.nan,
        math.inf,
        -math.inf,
        {1: "a"},
        {None: "a"},
        {Colour.RED: "a"},
        {("a", "b"): 1},
    ],
    ids=repr,
)
def test_an_unknown_type_is_refused_however_deep_it_lies(value):
    for wrapped in (value, {"a": [0, {"b": value}]}):
        with pytest.raises(TypeError):
            canonical_json(wrapped)


def test_the_message_says_where_the_unknown_thing_is():
    with pytest.raises(TypeError, match=r"\$\.training\.rates\[1\] is of type float64"):
        canonical_json({"training": {"rates": [0.1, np.float64(0.2)]}})


def test_the_digest_of_a_value_stays_what_it_was():
    value = {"b": [1, 2.5, None, True], "a": "é"}
    assert canonical_json(value) == '{"a":"é","b":[1,2.5,null,true]}'
    assert digest(value) == "0c187fb652afca8017b5ef38178eeef09a9dfef844316f80ba4207cdf1995ee5"
