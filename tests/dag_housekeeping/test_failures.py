"""Steps that fail in ways of their own: told as what they are, without rubbish left on the disk."""

import pytest
import sums

from outgrow.dag.step import Step


def ends(how):
    return Step("sums:leaves_half", 1, {"how": how}, title=how)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("memory", "out of memory (MemoryError: 4 GB): run with fewer --jobs"),
        ("exit", "SystemExit: 3"),
        ("full", "make room (outgrow gc shows what can go)"),
    ],
)
def test_a_step_that_fails_is_told_as_what_it_is_and_leaves_nothing(store, how, told):
    other = sums.step("other", 1)
    summary = sums.build(store, ends(how), other)
    assert told in summary.failures[ends(how).key].message
    assert summary.status[other.key] == "built"
    assert list((store.root / "scratch").iterdir()) == []


def test_a_full_disk_is_named(store):
    summary = sums.build(store, ends("full"))
    assert f"no room on the disk of {store.root}" in summary.failures[ends("full").key].message


def test_an_interrupt_is_no_failure_of_the_step(store):
    with pytest.raises(KeyboardInterrupt):
        sums.build(store, ends("interrupt"))
    with store.claim(ends("interrupt").key) as mine:
        assert mine


def test_a_step_must_not_write_the_stores_own_file(store):
    step = Step("sums:writes_the_record", 1, {}, title="bad")
    summary = sums.build(store, step)
    assert "must not write a file record.json" in summary.failures[step.key].message
    assert store.get(step.key) is None
