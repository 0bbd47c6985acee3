import csv

import pytest

from outgrow.dag.store import Store


@pytest.fixture
def finished(study, store, fill):
    """Return the options of a study whose every step is in the store."""
    fill()
    return [study, "--store", store.root]


def test_a_run_writes_the_page_and_says_where(outgrow, finished, store):
    _, out, _ = outgrow("run", *finished)
    path = store.root / "reports" / "made-up.html"
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert str(path) in out


def test_a_run_that_finished_nothing_writes_no_page(outgrow, study, store, monkeypatch):
    from outgrow.cli import running
    from outgrow.dag.scheduler import Summary

    monkeypatch.setattr(running, "run_logged", lambda targets, **_: Summary({}, {}, {}))
    outgrow("run", study, "--store", store.root, "--plain")
    assert not (store.root / "reports").exists()


def test_report_writes_where_it_is_told(outgrow, finished, tmp_path, store):
    code, out, _ = outgrow("report", *finished, "--out", tmp_path / "a.html", "--table", tmp_path / "a.csv")
    assert code == 0
    assert str(tmp_path / "a.html") in out
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert not (store.root / "reports").exists()


def test_a_table_alone_writes_no_page(outgrow, finished, tmp_path, store):
    outgrow("report", *finished, "--table", tmp_path / "a.md")
    assert (tmp_path / "a.md").exists()
    assert not (store.root / "reports").exists()


def test_a_report_of_nothing_is_refused_with_the_command_to_type(outgrow, study, tmp_path):
    code, out, err = outgrow("report", study, "--store", tmp_path / "empty")
    assert (code, out) == (2, "")
    assert "outgrow run made-up" in err


def test_a_damaged_record_is_moved_away_so_that_a_run_builds_it_anew(outgrow, study, store, fill):
    from outgrow.dag.step import closure

    plan = fill()
    task = next(step for step in closure(plan.targets).values() if step.kind == "label")
    record = next(store.folder(task.key).glob("*.json"))
    record.write_text("{}")
    code, _, err = outgrow("report", study, "--store", store.root)
    assert code == 1
    assert "builds it anew" in err
    assert Store(store.root).get(task.key) is None
