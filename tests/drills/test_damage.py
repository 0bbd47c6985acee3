"""Damage of every kind to every kind of file: found when it is read, told by name, built anew, and nothing else is."""

from contextlib import ExitStack

import pytest
from drill import left_behind
from drill_graphs import Graph, with_table

from outgrow.dag.scheduler import run_graph
from outgrow.dag.step import closure
from outgrow.dag.store import DamagedArtefactError, Store
from outgrow.dag.work import Runtime

FILES = {
    "rows.npy": "rows",
    "state.safetensors": "chunk",
    "sums.json": "gathered",
    "table.parquet": "table",
    "record.json": "chunk",
}
"""A step of which kind to damage, by the file."""


def flipped(place):
    def change(path):
        data = bytearray(path.read_bytes())
        data[int(place * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return change


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {
    "first byte flipped": flipped(0),
    "middle byte flipped": flipped(0.5),
    "last byte flipped": flipped(1),
    "cut in half": cut,
    "emptied": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
}


def build(targets, store, on_event=lambda event: None):
    return run_graph(targets, store=store, runtime=Runtime(), on_event=on_event)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def begun(folder):
    path = folder / "log.txt"
    return (
        [line.split()[1] for line in path.read_text().splitlines() if line.startswith("start ")]
        if path.exists()
        else []
    )


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_where_it_is_read_and_built_anew(tmp_path, store, file, damage):
    targets = with_table(tmp_path)
    build(targets, store)
    expected = left_behind(store, targets)
    victim = next(step for step in closure(targets).values() if step.kind == FILES[file])
    DAMAGE[damage](store.folder(victim.key) / file)
    with pytest.raises(DamagedArtefactError, match=victim.key[:12]):
        store.get(victim.key).verify_all()
    first = len(begun(tmp_path))
    events = []
    reader = Graph(tmp_path).step("reads_all", {}, {"victim": victim})  # reads every file of it
    summary = build([*targets, reader], store, events.append)
    assert summary.ok, summary.failures
    assert {each.step.key for each in events if each.kind == "damaged"} == {victim.key}
    assert left_behind(store, targets) == expected
    assert set(begun(tmp_path)[first:]) <= {victim.key, reader.key}
    assert [path.name for path in (store.root / "damaged").iterdir()] == [f"{victim.key}.1"]


def chain(folder):
    return Graph(folder).chain(0, length=5)


def test_a_damaged_link_of_a_finished_chain_costs_nothing(tmp_path, store):
    steps = chain(tmp_path)
    build(steps[-1:], store)
    flipped(0.5)(store.folder(steps[3].key) / "state.safetensors")
    store.quarantine(steps[2].key)
    first = len(begun(tmp_path))
    assert build(steps[-1:], store).count("cached") == 1
    assert begun(tmp_path)[first:] == []


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_chain_cut_in_the_middle_is_built_anew_from_the_last_whole_link(tmp_path, store, how):
    steps = chain(tmp_path)
    build(steps[-1:], store)
    expected = left_behind(store, steps[-1:])
    if how == "gone":
        store.quarantine(steps[3].key)
    else:
        flipped(0.5)(store.folder(steps[3].key) / "state.safetensors")
    for lost in steps[4:]:
        store.quarantine(lost.key)
    first = len(begun(tmp_path))
    assert build(steps[-1:], store).ok
    assert left_behind(store, steps[-1:]) == expected
    again = [each for each in steps if each.key in begun(tmp_path)[first:]]
    assert again == steps[3:]  # rows and the first two chunks are whole


def test_what_a_dead_owner_left_is_not_taken_for_work_done(tmp_path, store):
    steps = chain(tmp_path)
    for each in steps:
        (store.scratch(each.key) / "state.safetensors").write_bytes(b"rubbish")
        (store.scratch(each.key) / "stray.bin").write_bytes(b"rubbish")
    assert build(steps[-1:], store).ok
    assert all("stray.bin" not in store.get(each.key).record["files"] for each in steps)
    assert list((store.root / "scratch").iterdir()) == []


def test_what_a_live_owner_has_is_waited_for(tmp_path, store):
    steps = chain(tmp_path)
    seen = []
    with ExitStack() as owner:
        assert owner.enter_context(store.claim(steps[2].key))
        half = store.scratch(steps[2].key) / "half.bin"
        half.write_bytes(b"half written")

        def on_event(event):
            if event.kind == "elsewhere":
                seen.append((event.step.key, half.exists()))
                if len(seen) == 2:  # twice asked, twice refused: the owner dies
                    owner.close()

        assert build(steps[-1:], store, on_event).ok
    assert seen == [(steps[2].key, True)] * 2
    assert set(store.get(steps[2].key).record["files"]) == {"state.safetensors"}


def test_a_step_published_between_two_looks_is_not_taken_for_a_damaged_one(tmp_path, store, monkeypatch):
    steps = chain(tmp_path)
    build(steps, store)
    aside = store.quarantine(steps[0].key)
    path_class, looks = type(tmp_path), []
    read = path_class.read_bytes

    def published_meanwhile(path):
        if path.parent == store.folder(steps[0].key) and not looks:
            looks.append(path)
            aside.rename(store.folder(steps[0].key))
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(path_class, "read_bytes", published_meanwhile)
    assert store.get(steps[0].key) is not None
    assert looks


def test_damage_that_another_process_repaired_meanwhile_is_not_put_aside(tmp_path, store):
    steps = chain(tmp_path)
    build(steps, store)
    path = store.folder(steps[0].key) / "record.json"
    whole = path.read_bytes()
    path.write_bytes(b"{")
    events = []

    def repaired(event):
        events.append(event.kind)

    from outgrow.dag.scheduler import _Graph

    graph = _Graph(steps, store, repaired)  # the survey finds the damage
    path.write_bytes(whole)  # another process has built it anew
    from outgrow.dag.backends import Inline

    graph.run(Inline(store, Runtime()))
    assert not (store.root / "damaged").exists()
    assert graph.summary.status[steps[0].key] == "cached"
