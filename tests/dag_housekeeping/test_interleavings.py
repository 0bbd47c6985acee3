"""Any order of building, crashing, damaging and cleaning leaves a store that is right or says what is wrong."""

import tempfile
from contextlib import suppress
from unittest import mock

import pytest
import sums
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from outgrow.dag.housekeeping import forget, garbage, remember, remembered, remove, verify
from outgrow.dag.store import Store

STEPS = sums.graph()
chosen = st.sets(st.sampled_from(STEPS), min_size=1)
crashes = st.none() | st.integers(1, 12)


class CrashError(BaseException):
    """Ends a run as a death would: nothing catches it."""


class Crash:
    """Raises at the n-th named point that is reached."""

    def __init__(self, number):
        self._left = number

    def __call__(self, point):
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise CrashError


class StoreUnderFire(RuleBasedStateMachine):
    """The model: keys that are there and right, and keys that are there and damaged."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(self.folder.name)
        self.right, self.damaged = set(), set()

    def found(self):
        states = dict(verify(self.store))
        return {key for key in states if not states[key]}, {key for key in states if states[key]}

    @rule(wanted=chosen, crash=crashes)
    def build(self, wanted, crash):
        sums.started.clear()
        summary = None
        with mock.patch("outgrow.dag.store.reached", Crash(crash)), suppress(CrashError):
            summary = sums.build(self.store, *wanted)
        right, damaged = self.found()
        assert not set(sums.started) & self.right, "what is finished is never done again"
        assert self.right <= right, "what is finished is never lost"
        assert damaged <= self.damaged, "a crash damages nothing"
        if summary is not None:
            assert summary.ok
            assert {each.key for each in wanted} <= right | damaged
        self.right, self.damaged = right, damaged

    @precondition(lambda self: self.right)
    @rule(
        data=st.data(), what=st.sampled_from(["record.json", "value.txt"]), how=st.sampled_from(["flip", "cut", "gone"])
    )
    def damage(self, data, what, how):
        key = data.draw(st.sampled_from(sorted(self.right)))
        path = self.store.folder(key) / what
        text = bytearray(path.read_bytes())
        if how == "flip":
            text[data.draw(st.integers(0, len(text) - 1))] ^= 1
        path.write_bytes(text[: len(text) // 2] if how == "cut" else text)
        if how == "gone":
            path.unlink()
        self.right.remove(key)
        self.damaged.add(key)

    @rule(wanted=chosen)
    def need(self, wanted):
        remember(self.store, name="study", targets=wanted)

    @rule()
    def need_nothing(self):
        known = "study" in remembered(self.store)
        assert forget(self.store, "study") == known

    @rule(crash=crashes)
    def clean(self, crash):
        needed = remembered(self.store).get("study", set())
        with mock.patch("outgrow.dag.store.reached", Crash(crash)):
            try:
                remove(self.store, garbage(self.store))
            except CrashError:
                right, damaged = self.found()
                assert self.right & needed <= right
                self.right, self.damaged = right, damaged & self.damaged
                return
        self.right, self.damaged = self.right & needed, self.damaged & needed
        assert not list((self.store.root / "scratch").glob("*"))
        assert not list((self.store.root / "damaged").glob("*"))

    @invariant()
    def right_or_says_what_is_wrong(self):
        assert self.found() == (self.right, self.damaged)
        for each in STEPS:
            if each.key in self.right:
                artefact = self.store.get(each.key)
                assert (
                    artefact.outputs["value"] == int(artefact.path("value.txt").read_text()) == sums.VALUES[each.title]
                )

    def teardown(self):
        self.folder.cleanup()


TestStoreUnderFire = StoreUnderFire.TestCase
TestStoreUnderFire.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)


def test_the_model_can_tell_a_wrong_store(tmp_path):
    """The machine above is worth nothing if damage went unnoticed."""
    store = Store(tmp_path)
    sums.build(store, STEPS[-1])
    (store.folder(STEPS[0].key) / "value.txt").write_text("7")
    wrong = {key: what for key, what in verify(store) if what}
    assert list(wrong) == [STEPS[0].key]
    assert "value.txt does not match" in wrong[STEPS[0].key]
    with pytest.raises(Exception, match="does not match"):
        store.get(STEPS[0].key).path("value.txt")
