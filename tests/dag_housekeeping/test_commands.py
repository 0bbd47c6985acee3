"""`outgrow verify`, `store`, `gc`, `explain`, and `status` beside a run."""

import json

import pytest
import sums

from outgrow.cli import call
from outgrow.dag.housekeeping import remember, remembered
from outgrow.dag.journal import open_journal, run_logged
from outgrow.dag.step import Step
from outgrow.dag.store import RECORD_NAME
from outgrow.dag.work import Runtime


@pytest.fixture
def outgrow(store, capsys):
    """Return a function that carries out a command on the store: exit code, stdout, stderr."""

    def run(*words):
        code = call([*words, "--store", str(store.root)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture
def steps(store):
    found = {each.title: each for each in sums.graph()}
    assert run_logged([found["top"]], name="sums", store=store, runtime=Runtime()).ok
    return found


def test_verify_of_a_whole_store_says_so(outgrow, steps):
    code, out, _ = outgrow("verify")
    assert code == 0
    assert "6 finished steps, all as written" in out


def test_verify_names_what_is_damaged_and_exits_1(outgrow, store, steps):
    (store.folder(steps["one"].key) / "value.txt").write_text("9")
    code, out, _ = outgrow("verify")
    assert code == 1
    assert steps["one"].key[:12] in out
    assert "value.txt does not match its checksum" in out
    code, out, _ = outgrow("verify", "--json")
    assert (code, list(json.loads(out)["damaged"])) == (1, [steps["one"].key])


def test_store_shows_the_space_by_kind_and_who_needs_it(outgrow, steps):
    code, out, _ = outgrow("store")
    assert code == 0
    assert "total" in out
    assert "The study sums needs 6 steps." in out
    data = json.loads(outgrow("store", "--json")[1])
    assert data["kinds"]["total"]["count"] == 6
    assert data["studies"] == {"sums": 6}


def test_gc_spares_what_a_study_needs(outgrow, store, steps):
    before = set(store.finished_keys())
    code, out, _ = outgrow("gc", "--yes")
    assert code == 0
    assert "can go" in out
    assert set(store.finished_keys()) == before


def test_gc_lists_asks_and_deletes(outgrow, store, steps, monkeypatch):
    for path in (store.root / "studies").iterdir():
        path.unlink()
    remember(store, name="half", targets=[steps["both"]])
    code, out, _ = outgrow("gc", "--dry-run")
    assert code == 0
    assert "3 folders" in out
    assert "no study needs it" in out
    code, _, told = outgrow("gc")  # there is nobody to ask
    assert code == 2
    assert "--yes" in told
    monkeypatch.setattr("outgrow.cli.keeping.sys.stdin.isatty", lambda: True, raising=False)
    for answer, left in (("n", 6), ("y", 3)):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        assert outgrow("gc")[0] == 0
        assert len(list(store.finished_keys())) == left


def test_gc_forgets_a_study_only_when_it_deletes(outgrow, store, steps):
    remember(store, name="half", targets=[steps["both"]])
    code, _, told = outgrow("gc", "--forget", "sum")
    assert code == 2
    assert "did you mean sums" in told
    assert "3 folders" in outgrow("gc", "--forget", "sums", "--dry-run")[1]
    assert set(remembered(store)) == {"sums", "half"}
    assert outgrow("gc", "--forget", "sums", "--yes")[0] == 0
    assert set(remembered(store)) == {"half"}
    assert len(list(store.finished_keys())) == 3


def test_gc_refuses_while_a_run_goes_on(outgrow, store, steps):
    with open_journal(store):
        code, _, told = outgrow("gc", "--yes")
        assert code == 2
        assert "a run is going on" in told
    assert outgrow("gc", "--yes")[0] == 0


def test_explain_names_the_field_down_through_the_inputs(outgrow, store, steps):
    other_one = Step("sums:total", 1, {"number": 5}, title="one")
    other_both = Step("sums:total", 2, {"number": 0}, {"one": other_one, "two": steps["two"]}, title="both, other")
    assert sums.build(store, other_both).ok
    first, second = steps["both"].key, other_both.key
    code, out, _ = outgrow("explain", first[:16], second[:16])
    assert code == 0
    assert "version\n  1\n  2" in out
    assert "inputs.one.spec.number\n  1\n  5" in out
    found = json.loads(outgrow("explain", first, second, "--json")[1])
    assert {each["field"] for each in found} == {"version", "inputs.one.spec.number"}
    assert "one and the same" in outgrow("explain", first, first)[1]


def test_explain_falls_back_on_keys_where_an_input_is_gone(outgrow, store, steps):
    other_one = Step("sums:total", 1, {"number": 5}, title="one")
    other_both = Step("sums:total", 1, {"number": 0}, {"one": other_one, "two": steps["two"]}, title="both, other")
    assert sums.build(store, other_both).ok
    store.quarantine(other_one.key)
    found = json.loads(outgrow("explain", steps["both"].key, other_both.key, "--json")[1])
    assert found == [{"field": "inputs.one", "first": steps["one"].key, "second": other_one.key}]


@pytest.mark.parametrize(
    ("prefix", "told"), [("zz", "no finished step of"), ("", "fits 6 steps"), ("t", "fits 5 steps")]
)
def test_explain_refuses_what_is_not_one_step(outgrow, steps, prefix, told):
    code, _, error = outgrow("explain", steps["one"].key, prefix)
    assert code == 2
    assert told in error


def test_explain_finds_steps_by_their_titles_too(outgrow, steps):
    code, out, _ = outgrow("explain", "lef", "RIGHT")
    assert code == 0
    assert steps["left"].key[:12] in out
    assert "spec.number\n  10\n  20" in out


def test_explain_of_a_damaged_record_is_one_message(outgrow, store, steps):
    (store.folder(steps["one"].key) / RECORD_NAME).write_text("{")
    code, _, told = outgrow("explain", steps["one"].key, steps["two"].key)
    assert code == 1
    assert "builds it anew" in told


def test_status_beside_a_run_tells_what_it_does(outgrow, store):
    seen = {}

    def look(event):
        if event.kind == "running" and event.step.title == "left":
            seen["text"], seen["json"] = outgrow("status")[1], json.loads(outgrow("status", "--json")[1])

    run_logged([sums.graph()[-1]], name="sums", store=store, runtime=Runtime(), on_event=look)
    text = " ".join(seen["text"].split())
    assert "sums is running: 3 of 6 steps done, 1 running, 2 waiting" in text
    assert "left" in text
    (run,) = seen["json"]["runs"]
    assert (run["state"], run["built"], run["running"], run["waiting"]) == ("running", 3, 1, 2)
    assert run["running_steps"] == ["left"]
    assert run["steps_per_second"] > 0
    assert run["seconds_left"] > 0
    after = outgrow("status")[1]
    assert "is running" not in after
    assert "The last run" not in after  # it is done: nothing to tell


def test_status_after_a_bad_end_tells_how(outgrow, store):
    bad = sums.step("bad", 0, function="fails")
    run_logged([bad], name="sums", store=store, runtime=Runtime())
    out = " ".join(outgrow("status")[1].split())
    assert "The last run, sums, failed: 0 of 1 step done, 1 failed." in out
    assert "failed: bad: ValueError: it never works" in out
    with open_journal(store) as journal:
        journal.header(name="later", steps=3)
    assert "The last run, later, was killed: 0 of 3 steps done, 3 waiting." in " ".join(outgrow("status")[1].split())
