"""The log of a run, and what it tells from outside while the run goes on and after it ended, however it did."""

import json
import os

import pytest
import sums

from outgrow.dag.housekeeping import remembered
from outgrow.dag.journal import open_journal, read_runs, run_logged
from outgrow.dag.scheduler import Event
from outgrow.dag.work import Runtime

ONE, TWO, BOTH, LEFT, RIGHT, TOP = sums.graph()


def run(store, *targets, on_event=lambda event: None):
    return run_logged(targets, name="a study", store=store, runtime=Runtime(), on_event=on_event)


def log_path(store):
    return next((store.root / "runs").glob("*.jsonl"))


def test_a_finished_run_is_done_and_remembered(store):
    assert run(store, TOP).ok
    (state,) = read_runs(store)
    assert (state.name, state.state, state.total) == ("a study", "done", 6)
    assert state.count() == {"built": 6, "running": 0, "waiting": 0}
    assert state.rate() > 0
    assert len(remembered(store)["a study"]) == 6


def test_every_event_is_one_line_of_json(store):
    run(store, TOP)
    lines = [json.loads(line) for line in log_path(store).read_text().splitlines() if line]
    assert [each["event"] for each in lines] == ["run", *["running", "built"] * 6, "end"]
    assert all(each["time"] > 0 for each in lines)
    assert {each["title"] for each in lines[1:-1]} == set(sums.VALUES)


def test_a_run_that_goes_on_is_seen_from_outside(store):
    seen = []

    def look(event):
        if event.kind == "running" and event.step.title == "left":
            seen.extend(read_runs(store))

    run(store, TOP, on_event=look)
    (state,) = seen
    assert state.state == "running"
    assert [title for title, _ in state.running.values()] == ["left"]
    counts = state.count()
    assert (counts["built"], counts["running"], counts["waiting"]) == (3, 1, 2)
    assert state.seconds_left() == pytest.approx(3 / state.rate(), rel=0.5)


def test_a_failed_run_names_its_failures(store):
    bad = sums.step("bad", 0, function="fails")
    assert not run(store, TOP, sums.step("above", 0, bad)).ok
    (state,) = read_runs(store)
    assert state.state == "failed"
    assert state.failures == {"bad": "ValueError: it never works"}
    assert (state.count()["failed"], state.count()["skipped"], state.count()["waiting"]) == (1, 1, 0)


def test_an_interrupted_run_says_so(store):
    def interrupt(event):
        if event.kind == "built":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, TOP, on_event=interrupt)
    assert [state.state for state in read_runs(store)] == ["interrupted"]


def test_a_run_that_died_without_a_word_was_killed_and_its_steps_wait_again(store):
    with open_journal(store) as journal:
        journal.header(name="a", steps=2)
        journal.event(Event("running", ONE))
        assert [state.state for state in read_runs(store)] == ["running"]
    (state,) = read_runs(store)
    assert state.state == "killed"
    assert (state.count()["running"], state.count()["waiting"]) == (0, 2)


def test_a_line_cut_short_spoils_no_other(store):
    run(store, TOP)
    path = log_path(store)
    with path.open("a") as file:
        file.write('\n{"time": 1, "event": "bui')
    path.write_bytes(path.read_bytes() + b"\n\xff\xfe garbage\n[1]\n{}\n")
    assert read_runs(store)[0].count()["built"] == 6


def test_what_is_cached_is_not_logged_but_remembered(store):
    run(store, TOP)
    log_path(store).unlink()
    run_logged([BOTH], name="another", store=store, runtime=Runtime())
    assert read_runs(store) == []
    assert len(remembered(store)["another"]) == 3


def test_a_log_that_cannot_be_written_stops_no_run(store):
    store.prepare()
    (store.root / "runs").write_text("a file where the folder should be")
    assert run(store, TOP).ok
    assert read_runs(store) == []


def test_a_full_disk_stops_no_run(store, monkeypatch):
    def full(descriptor, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("outgrow.dag.journal.os.write", full)
    assert run(store, TOP).ok


def test_a_clock_that_goes_back_gives_no_rate_and_no_error(store, monkeypatch):
    times = iter(range(10_000, 0, -1))
    monkeypatch.setattr("outgrow.dag.journal.time.time", lambda: next(times))
    run(store, TOP)
    (state,) = read_runs(store)
    assert state.rate() == 0.0
    assert state.seconds_left() is None
