"""Keys of steps: what changes numbers changes them, nothing else does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.dag.step import Step, closure
from outgrow.dag.work import Order

SPEC = {"seed": 0, "lr": 0.1, "rows": {"student": 10, "test": 5}, "splits": ["a", "b"], "loss": "naive", "keep": False}


def make(**changes):
    fields = {"function": "m:f", "version": 1, "spec": SPEC, "inputs": {"task": Step("m:g", 1, {"n": 1})}}
    return Step(**(fields | changes))


def test_a_key_is_the_same_for_the_same_work():
    assert make().key == make().key
    assert len(make().key) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"function": "m:other"},
        {"version": 2},
        {"inputs": {}},
        {"inputs": {"other": Step("m:g", 1, {"n": 1})}},
        {"inputs": {"task": Step("m:g", 1, {"n": 2})}},
        {"inputs": {"task": Step("m:g", 2, {"n": 1})}},
        *({"spec": {k: v for k, v in SPEC.items() if k != name}} for name in SPEC),
        {"spec": SPEC | {"seed": 1}},
        {"spec": SPEC | {"seed": False}},
        {"spec": SPEC | {"lr": 0.2}},
        {"spec": SPEC | {"rows": {"student": 10, "test": 6}}},
        {"spec": SPEC | {"splits": ["b", "a"]}},
        {"spec": SPEC | {"loss": "confidence"}},
        {"spec": SPEC | {"new": None}},
    ],
    ids=str,
)
def test_whatever_changes_numbers_changes_the_key(changes):
    assert make(**changes).key != make().key


def test_titles_places_and_the_order_of_things_change_no_key():
    inputs = {"a": Step("m:g", 1, {"n": 1}), "b": Step("m:g", 1, {"n": 2})}
    one = make(inputs=inputs)
    backwards = make(inputs=dict(reversed(inputs.items())), spec=dict(reversed(SPEC.items())))
    assert backwards.key == one.key
    assert make(inputs=inputs, title="for people", places={"data": "/somewhere"}).key == one.key


def test_a_change_far_below_reaches_every_step_above():
    def top(n):
        chain = Step("m:g", 1, {"n": n})
        for _ in range(5):
            chain = Step("m:f", 1, {}, {"previous": chain})
        return chain

    assert top(1).key != top(2).key


def test_a_spec_that_has_no_canonical_form_is_refused_when_the_step_is_made():
    with pytest.raises(TypeError, match="float32"):
        Step("m:f", 1, {"lr": np.float32(0.1)})


def test_a_chain_of_five_thousand_chunks_has_keys_and_a_closure():
    step = Step("m:chunk", 1, {"first": 0})
    for i in range(1, 5_000):
        step = Step("m:chunk", 1, {"first": i}, {"previous": step})
    ordered = list(closure([step]).values())
    assert [each.spec["first"] for each in ordered] == list(range(5_000))
    assert Order.of(ordered[-1]).inputs == {"previous": ordered[-2].key}


@given(st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=20))
def test_the_closure_has_every_step_once_and_inputs_before_their_readers(edges):
    steps = []
    for n, chosen in enumerate(edges):
        inputs = {str(i): steps[each % n] for i, each in enumerate(chosen) if n}
        steps.append(Step("m:f", 1, {"n": n}, inputs))
    ordered = closure(steps)
    assert set(ordered) == {each.key for each in steps}
    place = {key: i for i, key in enumerate(ordered)}
    assert all(place[other.key] < place[each.key] for each in steps for other in each.inputs.values())


def test_equal_steps_made_twice_are_one_in_the_closure():
    one, other = make(), make()
    assert one is not other
    assert len(closure([Step("m:h", 1, {}, {"a": one, "b": other})])) == 3
