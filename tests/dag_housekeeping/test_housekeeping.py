"""Keeping a store: what is damaged is found, what nobody needs can go, and nothing else."""

import json

import pytest
import sums

from outgrow.dag.canonical import digest
from outgrow.dag.housekeeping import (
    differences,
    forget,
    garbage,
    remember,
    remembered,
    remove,
    usage,
    verify,
)
from outgrow.dag.store import RecordFormatError


@pytest.fixture
def steps(store):
    """Build the whole graph; return its steps by name."""
    found = {each.title: each for each in sums.graph()}
    assert sums.build(store, found["top"]).ok
    return found


def keys(store):
    return set(store.finished_keys())


def test_a_whole_store_verifies(store, steps):
    assert dict(verify(store)) == {each.key: "" for each in steps.values()}


def test_verify_names_every_damaged_file_and_record(store, steps):
    (store.folder(steps["one"].key) / "value.txt").write_text("9")
    (store.folder(steps["two"].key) / "value.txt").unlink()
    (store.folder(steps["both"].key) / "record.json").write_text("{")
    wrong = {key: what for key, what in verify(store) if what}
    assert set(wrong) == {steps[name].key for name in ("one", "two", "both")}
    assert "value.txt does not match" in wrong[steps["one"].key]
    assert "value.txt is missing" in wrong[steps["two"].key]
    assert "record cannot be read" in wrong[steps["both"].key]


def newer_format(store, key):
    path = store.folder(key) / "record.json"
    record = json.loads(path.read_text()) | {"format": 99}
    del record["checksum"]
    path.write_text(json.dumps(record | {"checksum": digest(record)}))


def test_a_record_of_a_newer_format_stops_a_run_and_is_left_alone(store, steps):
    newer_format(store, steps["top"].key)
    with pytest.raises(RecordFormatError, match="another --store"):
        sums.build(store, steps["top"])
    assert "format 99" in dict(verify(store))[steps["top"].key]
    assert not (store.root / "damaged").exists()


def test_usage_counts_by_kind_and_what_is_left_over(store, steps):
    store.scratch(digest("x")).joinpath("half.bin").write_bytes(bytes(5_000))
    (store.folder(steps["one"].key) / "value.txt").write_text("9")
    store.quarantine(steps["one"].key)
    found = {each.kind: each for each in usage(store)}
    assert found["total"].count == 5
    assert found["(scratch)"].num_bytes == 5_000
    assert found["(damaged)"].count == 1
    assert [each.num_bytes for each in usage(store)] == sorted((each.num_bytes for each in usage(store)), reverse=True)


def test_usage_of_no_store_is_empty(store):
    assert usage(store) == garbage(store) == list(verify(store)) == []
    assert not store.root.exists()


def test_stray_files_are_nobodys_steps(store, steps):
    (store.root / "steps" / "ab").mkdir(exist_ok=True)
    (store.root / "steps" / "ab" / ".DS_Store").write_text("x")
    (store.root / "scratch" / "note.txt").write_text("x")
    remember(store, name="a", targets=[steps["top"]])
    assert garbage(store) == []
    assert len(dict(verify(store))) == 6


def test_what_a_study_needs_is_spared(store, steps):
    remember(store, name="a", targets=[steps["left"]])
    found = garbage(store)
    assert {each.path for each in found} == {store.folder(steps[name].key) for name in ("right", "top")}
    freed = remove(store, found)
    assert freed == sum(each.num_bytes for each in found) > 0
    assert keys(store) == {steps[name].key for name in ("one", "two", "both", "left")}
    assert sums.build(store, steps["left"]).count("cached") == 1


def test_garbage_that_is_needed_by_now_is_spared(store, steps):
    found = garbage(store)
    assert len(found) == 6
    remember(store, name="late", targets=[steps["both"]])
    remove(store, found)
    assert keys(store) == {steps[name].key for name in ("one", "two", "both")}


def test_the_same_study_with_other_settings_is_remembered_beside_it(store, steps):
    for target in ("left", "right"):
        remember(store, name="a", targets=[steps[target]])
    assert remembered(store) == {"a": {steps[name].key for name in ("one", "two", "both", "left", "right")}}
    assert forget(store, "a") is True
    assert forget(store, "a") is False
    assert remembered(store) == {}


def test_a_name_that_is_no_file_name_stays_in_the_store(store, steps):
    remember(store, name="../../up and away", targets=[steps["one"]])
    assert list(remembered(store)) == ["../../up and away"]
    assert [path.parent for path in store.root.parent.rglob("*up-and-away*")] == [store.root / "studies"]


def test_an_unreadable_memory_stops_the_cleaning_and_says_what_to_do(store, steps):
    remember(store, name="a", targets=[steps["top"]])
    path = next((store.root / "studies").glob("*.json"))
    path.write_text("{")
    with pytest.raises(ValueError, match="delete it and run the study once more"):
        garbage(store)
    assert len(keys(store)) == 6


def test_damaged_copies_and_dead_owners_scratch_go_a_live_owners_stays(store, steps):
    remember(store, name="a", targets=[steps["top"]])
    (store.folder(steps["one"].key) / "value.txt").write_text("9")
    store.quarantine(steps["one"].key)
    dead, live = digest("dead"), digest("live")
    for key in (dead, live):
        (store.scratch(key) / "half.txt").write_text("half")
    with store.claim(live) as mine:
        assert mine
        found = garbage(store)
        assert {each.path.name.partition(".")[0] for each in found} == {steps["one"].key, dead}
        remove(store, found)
        assert [path.name for path in (store.root / "scratch").iterdir()] == [live]
    assert list((store.root / "damaged").iterdir()) == []
    assert garbage(store)[0].path.name == live  # its owner is gone now


def test_a_step_that_another_process_holds_is_not_deleted(store, steps):
    found = garbage(store)
    with store.claim(steps["top"].key):
        remove(store, found)
        assert keys(store) == {steps["top"].key}


def test_differences_name_the_place_and_tell_1_from_1_0():
    first = {"spec": {"lr": 1, "rows": {"test": 2, "gone": 3}, "same": [1]}}
    second = {"spec": {"lr": 1.0, "rows": {"test": 4, "new": None}, "same": [1]}}
    assert list(differences(first, second)) == [
        ("spec.lr", 1, 1.0),
        ("spec.rows.gone", 3, None),
        ("spec.rows.new", None, None),
        ("spec.rows.test", 2, 4),
    ]
    assert list(differences(first, first)) == []
