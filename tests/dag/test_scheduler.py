"""The scheduler: what the store has is not done again, a failure takes down only what needs it, a fault is repaired."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import fake_steps
import pytest
from graphs import diamond, fake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outgrow.dag.scheduler import run_graph, survey
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime

DRIVER = Path(__file__).parent / "fakes" / "drive.py"


def run(targets, store, *, jobs=1, on_event=lambda event: None):
    return run_graph(targets, store=store, runtime=Runtime(jobs=jobs), on_event=on_event)


def statuses(summary):
    return {step.spec["name"]: summary.status[key] for key, step in summary.steps.items() if key in summary.status}


def what_counts(record):
    """Return a record without what may differ between two runs."""
    return {name: value for name, value in record.items() if name not in ("provenance", "checksum")}


def flip(path):
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def test_a_graph_is_built_and_a_second_run_does_nothing(store, calls):
    targets = diamond(calls)
    assert statuses(run(targets, store)) == dict.fromkeys(["one", "two", "left", "right", "top"], "built")
    assert store.get(targets[0].key).outputs == {"value": 7}
    assert sorted(fake_steps.calls(calls)) == ["left", "one", "right", "top", "two"]
    again = run(diamond(calls), store)
    assert again.ok
    assert statuses(again) == {"top": "cached"}
    assert len(fake_steps.calls(calls)) == 5


def test_inline_and_workers_leave_the_same_records(tmp_path, calls):
    stores = Store(tmp_path / "inline"), Store(tmp_path / "workers")
    for jobs, store in zip((1, 2), stores, strict=True):
        assert run(diamond(calls), store, jobs=jobs).count("built") == 5
    for key in closure(diamond(calls)):
        one, other = (store.get(key) for store in stores)
        assert what_counts(one.record) == what_counts(other.record)
        assert (one.folder / "value.txt").read_bytes() == (other.folder / "value.txt").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_within_a_step_arrives(store, calls, jobs):
    events = []
    run(diamond(calls), store, jobs=jobs, on_event=events.append)
    seen = {(each.step.title, each.done, each.total, each.unit) for each in events if each.kind == "progress"}
    assert seen == {(name, 1, 1, "sums") for name in ("left", "right", "top")}


def test_a_failure_spares_what_does_not_need_it(store, calls):
    one = fake("number", "one", calls=calls, value=1)
    bad = fake("needs_permission", "bad", [one], calls=calls)
    above = fake("add", "above", [bad, one], calls=calls)
    top = fake("add", "top", [above], calls=calls)
    apart = fake("add", "apart", [one], calls=calls)
    events = []
    summary = run([top, apart], store, on_event=events.append)
    assert not summary.ok
    built = {"one": "built", "apart": "built", "bad": "failed", "above": "skipped", "top": "skipped"}
    assert statuses(summary) == built
    assert list(summary.failures) == [bad.key]
    assert summary.failures[bad.key].message == "ValueError: not permitted yet"
    assert "needs_permission" in summary.failures[bad.key].log
    assert {each.step.title: each.message for each in events if each.kind == "skipped"} == {
        "above": "needs bad",
        "top": "needs bad",
    }
    (calls / "permitted").touch()
    assert run([top, apart], store).ok
    counts = {name: fake_steps.calls(calls, name) for name in ("one", "apart", "bad", "above", "top")}
    assert counts == {"one": 1, "apart": 1, "bad": 2, "above": 1, "top": 1}


def test_an_error_of_a_step_is_final_within_a_run(store, calls):
    run([fake("needs_permission", "bad", calls=calls)], store)
    assert fake_steps.calls(calls, "bad") == 1


def test_a_number_that_no_record_can_hold_fails_the_step_and_names_it(store, calls):
    step = fake("not_a_number", "bad", calls=calls)
    summary = run([step], store)
    assert "$.outputs.value is nan" in summary.failures[step.key].message
    assert store.get(step.key) is None


def test_a_function_that_does_not_exist_fails_its_step_only(store, calls):
    missing, one = fake("no_such_function", "missing", calls=calls), fake("number", "one", calls=calls, value=1)
    summary = run([missing, one], store)
    assert statuses(summary) == {"missing": "failed", "one": "built"}
    assert "no_such_function" in summary.failures[missing.key].message


def test_a_step_whose_worker_is_killed_is_tried_again(store, calls):
    step = fake("dies", "fragile", calls=calls, deaths=1)
    events = []
    summary = run([fake("add", "after", [step], calls=calls)], store, jobs=2, on_event=events.append)
    assert statuses(summary) == {"fragile": "built", "after": "built"}
    assert fake_steps.calls(calls, "fragile") == 2
    assert [each.step.title for each in events if each.kind == "lost"] == ["fragile"]
    assert set(store.get(step.key).record["files"]) == {"value.txt"}  # not what the dead worker left


def test_a_step_that_always_dies_fails_and_the_message_names_the_signal(store, calls):
    step, one = fake("dies", "deadly", calls=calls, deaths=99), fake("number", "one", calls=calls, value=1)
    summary = run([fake("add", "after", [step], calls=calls), one], store, jobs=2)
    assert statuses(summary) == {"deadly": "failed", "after": "skipped", "one": "built"}
    assert "SIGKILL" in summary.failures[step.key].message
    assert 1 < fake_steps.calls(calls, "deadly") < 10


def test_a_worker_that_dies_while_idle_is_replaced(store, calls):
    before = fake("process", "before", calls=calls)

    def kill_the_worker(event):
        if event.kind == "built" and event.step.title == "before":
            pid = store.get(before.key).outputs["pid"]
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # wait until it is dead, leave it to be reaped

    summary = run([fake("add", "after", [before], calls=calls)], store, jobs=2, on_event=kill_the_worker)
    assert statuses(summary) == {"before": "built", "after": "built"}
    assert fake_steps.calls(calls) == ["before", "after"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_damaged_inputs_are_put_aside_and_built_again(store, calls, jobs):
    leaves = [fake("number", f"leaf{i}", calls=calls, value=i) for i in range(4)]
    sums = [fake("add", f"sum{i}", [leaf], calls=calls) for i, leaf in enumerate(leaves)]
    assert run(sums, store).ok
    for each in sums:
        flip(store.folder(each.key) / "value.txt")
    top = fake("add", "top", sums, calls=calls)
    events = []
    summary = run([top], store, jobs=jobs, on_event=events.append)
    assert summary.ok, summary.failures
    assert store.get(top.key).outputs == {"value": 6}
    assert [fake_steps.calls(calls, each.spec["name"]) for each in (*leaves, *sums)] == [1] * 4 + [2] * 4
    assert {each.step.title for each in events if each.kind == "damaged"} >= {f"sum{i}" for i in range(4)}
    assert len(list((store.root / "damaged").iterdir())) == 4
    for key in closure([top]):
        store.get(key).verify_all()


def test_a_chain_that_is_damaged_at_every_place_is_built_again(store, calls):
    chain = [fake("number", "chunk0", calls=calls, value=5)]
    for i in range(1, 4):
        chain.append(fake("add", f"chunk{i}", [chain[-1]], calls=calls))
    assert run(chain, store).ok
    for each in chain:
        flip(store.folder(each.key) / "value.txt")
    top = fake("add", "top", chain[-1:], calls=calls)
    assert run([top], store).ok
    assert store.get(top.key).outputs == {"value": 5}
    # Once at first, once to find its input damaged, once to be built again; the first chunk has no input.
    assert [fake_steps.calls(calls, each.spec["name"]) for each in chain] == [2, 3, 3, 3]


def test_damaged_records_are_found_before_anything_is_done(store, calls):
    targets = diamond(calls)
    run(targets, store)
    flip(store.folder(targets[0].key) / "record.json")
    assert statuses(survey(targets, store=store)) == {"top": "waiting", "left": "cached", "right": "cached"}
    assert statuses(run(targets, store)) == {"top": "built", "left": "cached", "right": "cached"}
    assert fake_steps.calls(calls, "top") == 2


def test_what_needs_both_a_damaged_step_and_a_failed_one_is_skipped(store, calls):
    (calls / "permitted").touch()
    picky = fake("needs_permission", "picky", calls=calls)
    middle = fake("add", "middle", [picky], calls=calls)
    assert run([middle], store).ok
    (calls / "permitted").unlink()
    store.quarantine(picky.key)  # gone, as after a clean-up: a finished step's inputs need not be there
    flip(store.folder(middle.key) / "value.txt")
    summary = run([picky, fake("add", "top", [middle], calls=calls)], store)
    assert statuses(summary) == {"picky": "failed", "middle": "skipped", "top": "skipped"}


def test_a_finished_step_does_not_need_its_inputs_to_exist(store, calls):
    targets = diamond(calls)
    run(targets, store)
    for each in targets[0].inputs.values():
        store.quarantine(each.key)
    assert statuses(run(targets, store)) == {"top": "cached"}
    above = fake("add", "above", targets, calls=calls)
    assert statuses(run([above], store)) == {"top": "cached", "above": "built"}


def test_a_survey_changes_nothing(store, calls):
    summary = survey(diamond(calls), store=store)
    assert summary.count("waiting") == 5
    assert not store.root.exists()
    assert fake_steps.calls(calls) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edges=st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=10), bad=st.integers(0, 20))
def test_any_graph_ends_with_every_step_built_unless_it_needs_the_bad_one(tmp_path_factory, edges, bad):
    folder = tmp_path_factory.mktemp("graph")
    steps, doomed = [], set()
    for n, chosen in enumerate(edges):
        numbers = {each % n for each in chosen} if n else set()
        function = "needs_permission" if n == bad else "add"
        steps.append(fake(function, f"s{n}", [steps[i] for i in numbers], calls=folder))
        if n == bad or numbers & doomed:
            doomed.add(n)
    found = statuses(run(steps, Store(folder / "store")))
    ends = {n: "failed" if n == bad else "skipped" if n in doomed else "built" for n in range(len(edges))}
    assert found == {f"s{n}": end for n, end in ends.items()}


def drive(store, calls, graph, *, jobs=1, meet=()):
    command = [sys.executable, str(DRIVER), str(store.root), str(calls), graph, str(jobs), *meet]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_drivers_on_one_store_do_nothing_twice(store, calls):
    meetings = (("one", "other"), ("other", "one"))
    drivers = [drive(store, calls, "held_together", meet=meet) for meet in meetings]
    ends = [json.loads(driver.communicate(timeout=120)[0]) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0]
    called = fake_steps.calls(calls)
    assert sorted(called) == sorted(set(called))
    assert len(called) == 12
    assert all(set(end.values()) <= {"built", "cached"} for end in ends)
    assert (calls / "elsewhere").exists()  # they did meet
    for name in ends[0]:
        assert sorted(end[name] for end in ends) in (["built", "cached"], ["cached", "cached"])


@pytest.mark.parametrize(("graph", "jobs"), [("deadly_inline", 1), ("deadly_in_a_worker", 2)])
def test_after_the_driver_was_killed_no_finished_step_is_repeated(store, calls, graph, jobs):
    killed = drive(store, calls, graph, jobs=jobs)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    done = [each for each in fake_steps.calls(calls) if each != "deadly"]
    again = drive(store, calls, graph, jobs=jobs)
    ends = json.loads(again.communicate(timeout=120)[0])
    assert again.returncode == 0
    assert ends["deadly"] == ends["after"] == "built"
    assert all(ends[name] == "cached" for name in done)
    counts = {name: fake_steps.calls(calls, name) for name in ends}
    assert counts == dict.fromkeys(ends, 1) | {"deadly": 2}
