"""The store: what is published is complete and verified, what is damaged says so, what is claimed is claimed alone."""

import json
import multiprocessing
import os
import signal

import pytest
from fake_steps import hold
from hypothesis import given
from hypothesis import strategies as st

from outgrow.dag.canonical import digest
from outgrow.dag.store import DamagedArtefactError, Store

KEY = digest("a step")


def publish(store, key=KEY, **files):
    with store.claim(key) as mine:
        assert mine
        scratch = store.scratch(key)
        for name, text in ({"value.txt": "42"} | files).items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_text(text, encoding="utf-8")
        return store.publish(scratch, {"key": key, "outputs": {"value": 42}})


def flip(path, place=0):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_what_was_published_is_read_back(store):
    published = publish(store, **{"deep/er.txt": "x"})
    found = store.get(KEY)
    assert found.outputs == published.outputs == {"value": 42}
    assert found.path("value.txt").read_text() == "42"
    assert found.path("deep/er.txt").read_text() == "x"
    found.verify_all()


def test_what_was_never_published_is_not_there(store):
    assert store.get(KEY) is None
    with store.claim(KEY):
        (store.scratch(KEY) / "value.txt").write_text("half")
    assert store.get(KEY) is None


def test_a_file_that_the_record_does_not_name_cannot_be_read(store):
    publish(store)
    (store.folder(KEY) / "stray.txt").write_text("stray")
    for name in ("stray.txt", "../../../locks", "record.json"):
        with pytest.raises(KeyError, match="has no file"):
            store.get(KEY).path(name)


def test_a_flipped_byte_in_a_file_is_found_when_it_is_read(store):
    publish(store)
    flip(store.folder(KEY) / "value.txt")
    with pytest.raises(DamagedArtefactError, match=r"value\.txt does not match") as caught:
        store.get(KEY).path("value.txt")
    assert caught.value.key == KEY


def test_a_truncated_and_a_missing_file_are_found(store):
    publish(store, **{"other.txt": "other"})
    (store.folder(KEY) / "value.txt").write_text("4")
    (store.folder(KEY) / "other.txt").unlink()
    with pytest.raises(DamagedArtefactError, match=r"value\.txt does not match"):
        store.get(KEY).path("value.txt")
    with pytest.raises(DamagedArtefactError, match=r"other\.txt is missing"):
        store.get(KEY).verify_all()


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_in_a_record_is_found(tmp_path_factory, place, bit):
    store = Store(tmp_path_factory.mktemp("store"))
    right = publish(store).outputs
    path = store.folder(KEY) / "record.json"
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = store.get(KEY).outputs
    except DamagedArtefactError:
        return
    assert found == right  # the same content written differently (1E-7 for 1e-7) is no damage


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"checksum": 1}', '{"a": NaN, "checksum": ""}'])
def test_a_record_that_is_none_is_damaged(store, text):
    publish(store)
    (store.folder(KEY) / "record.json").write_text(text)
    with pytest.raises(DamagedArtefactError, match="record"):
        store.get(KEY)


def test_a_folder_without_its_record_is_damaged(store):
    publish(store)
    (store.folder(KEY) / "record.json").unlink()
    with pytest.raises(DamagedArtefactError, match="its record is missing"):
        store.get(KEY)


def test_a_record_of_another_step_is_damaged(store):
    other = digest("another step")
    publish(store)
    publish(store, other)
    record = (store.folder(other) / "record.json").read_bytes()
    (store.folder(KEY) / "record.json").write_bytes(record)
    with pytest.raises(DamagedArtefactError, match="its record"):
        store.get(KEY)


def test_a_record_of_a_later_format_says_what_to_do(store):
    publish(store)
    path = store.folder(KEY) / "record.json"
    record = json.loads(path.read_text()) | {"format": 99}
    del record["checksum"]
    path.write_text(json.dumps(record | {"checksum": digest(record)}))
    with pytest.raises(ValueError, match=r"record of format 99.*another --store"):
        store.get(KEY)


def test_a_damaged_step_is_put_aside_and_can_be_built_again(store):
    for _ in range(2):
        publish(store)
        flip(store.folder(KEY) / "value.txt")
        place = store.quarantine(KEY)
        assert (place / "value.txt").is_file()
        assert store.get(KEY) is None
    publish(store)
    store.get(KEY).verify_all()
    assert len(list((store.root / "damaged").iterdir())) == 2


@pytest.mark.parametrize("key", ["../../etc/passwd", "a" * 63, "A" * 64, "g" * 64, "", "../" + "a" * 61, "a" * 65])
def test_what_is_not_a_key_reaches_no_path(store, key):
    for use in (store.folder, store.get, store.scratch, store.quarantine):
        with pytest.raises(ValueError, match="not a key"):
            use(key)
    with pytest.raises(ValueError, match="not a key"), store.claim(key):
        pass


def test_a_claim_is_exclusive_within_a_process(store):
    with store.claim(KEY) as mine, store.claim(KEY) as again, store.claim(digest("another step")) as other:
        assert (mine, again, other) == (True, False, True)
    with store.claim(KEY) as mine:
        assert mine


def test_a_claim_keeps_other_processes_out_until_its_owner_dies(store):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    owner = context.Process(target=hold, args=(str(store.root), KEY, theirs))
    owner.start()
    try:
        assert ours.recv() is True
        with store.claim(KEY) as mine:
            assert mine is False
        assert (store.root / "scratch" / KEY / "half.txt").exists()
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.join()
    assert set(publish(store).record["files"]) == {"value.txt"}  # nothing of the dead owner's rubbish
    assert not (store.root / "scratch" / KEY).exists()
