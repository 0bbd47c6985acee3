"""Data sets of the hub: read from converted Parquet at a pinned commit, without running a script."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.errors import StepError, UsageError
from outgrow.hub import Lock
from outgrow.tasks import Where, find_task

CONVERTED = "refs/convert/parquet"
ROWS = [{"sentence": f"Sentence {i}.", "label": i % 2, "idx": i} for i in range(12)]
GLUE = "nyu-mll/glue"


def parquet(rows):
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), made)
    return made.getvalue()


@pytest.fixture
def glue(hub):
    """Return a repository with a script on main, and its rows as Parquet beside it."""
    repo = hub.repo("dataset", GLUE)
    repo.push("main", {"glue.py": b"raise SystemExit('a script was run')", "README.md": b""})
    hidden = [row | {"label": -1} for row in ROWS]
    files = {
        "cola/train/0000.parquet": parquet(ROWS[:5]),
        "cola/train/0001.parquet": parquet(ROWS[5:8]),
        "cola/validation/0000.parquet": parquet(ROWS[8:]),
        "cola/test/0000.parquet": parquet(hidden),
        "mrpc/train/0000.parquet": parquet(ROWS),
    }
    repo.push(CONVERTED, files)
    return repo


def test_a_set_with_a_script_is_read_from_its_converted_rows(hub, glue):
    rows = find_task("cola").rows(Where())
    assert rows.every.texts == tuple(row["sentence"] for row in ROWS)
    assert rows.every.truth_N.tolist() == [row["label"] for row in ROWS]
    assert rows.every.ids[4:6] == ("train-5", "train-6")  # numbers go on from file to file of a split
    assert rows.every.ids[-1] == "validation-4"
    assert not {path for path in hub.files_asked() if path.endswith(".py") or "test" in path or "mrpc" in path}


def test_the_lock_pins_the_rows(hub, glue, tmp_path):
    task, path = find_task("cola"), tmp_path / "study.lock.yaml"
    before = task.locate(Where(lock=Lock(path)))
    glue.push(CONVERTED, {"cola/train/0000.parquet": parquet([{"sentence": "New.", "label": 0}])})
    hub.asked.clear()
    after = task.locate(Where(lock=Lock(path)))
    assert after == before
    assert hub.asked == []
    assert len(task.read(after.spec, after.places).every) == len(ROWS)
    path.unlink()
    assert task.locate(Where(lock=Lock(path))).spec["revision"] != before.spec["revision"]


def test_a_set_of_plain_files_is_read_from_main(hub):
    lines = b'{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n'
    repo = hub.repo("dataset", "EleutherAI/twitter-sentiment")
    repo.push("main", {"train.jsonl": lines, "data/test-00000-of-00001.parquet": parquet([{"text": "x", "label": 1}])})
    rows = find_task("twitter_sentiment").rows(Where())
    assert sorted(rows.every.ids) == ["test-1", "train-1", "train-2"]


def test_a_folder_of_plain_files_is_a_configuration_though_the_converted_rows_have_none(hub):
    lines = [
        b'{"chosen": "\\n\\nHuman: x\\n\\nAssistant: %s", "rejected": "\\n\\nHuman: x\\n\\nAssistant: b"}\n' % each
        for each in (b"y", b"z")
    ]
    repo = hub.repo("dataset", "Anthropic/hh-rlhf")
    repo.push("main", {"harmless-base/train.jsonl": lines[0], "helpful-base/train.jsonl": lines[1], "README.md": b""})
    both = [{"chosen": "\n\nHuman: x\n\nAssistant: c", "rejected": "\n\nHuman: x\n\nAssistant: b"}] * 2
    repo.push(CONVERTED, {"default/train/0000.parquet": parquet(both)})
    examples = find_task("hh_rlhf_harmless").rows(Where()).examples
    assert [examples.completions[0][examples.truth_N[0]]] == [" y"]
    assert len(find_task("hh_rlhf").rows(Where()).examples) == 2


def test_rows_are_read_again_from_the_cache_when_offline(hub, glue, tmp_path, monkeypatch):
    from huggingface_hub import constants

    task, lock = find_task("cola"), Lock(tmp_path / "study.lock.yaml")
    located = task.locate(Where(lock=lock))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(StepError, match=r"nyu-mll/glue is not in the cache, and HF_HUB_OFFLINE is set"):
        task.read(located.spec, located.places)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    first = task.read(located.spec, located.places)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert task.read(located.spec, located.places).every.ids == first.every.ids
    with pytest.raises(
        UsageError, match=r"google/boolq is not in the cache, and HF_HUB_OFFLINE is set.* name a folder"
    ):
        find_task("boolq").locate(Where(lock=lock))


def test_a_configuration_that_is_not_there_is_told_with_those_that_are(hub, glue):
    with pytest.raises(UsageError, match=r"nyu-mll/glue has no configuration wnli: it has cola, mrpc"):
        Lock().dataset(GLUE, "wnli")
    with pytest.raises(UsageError, match=r"no configuration default: it has cola, mrpc"):
        Lock().dataset(GLUE)


def test_a_misspelt_name_is_told_with_the_nearest(hub):
    with pytest.raises(UsageError, match=r"nyu-mll/glu is not on the hub.*did you mean nyu-mll/glue\?"):
        Lock().dataset("nyu-mll/glu", known=(GLUE,))


def test_a_gated_set_is_refused_when_the_study_is_planned(hub, glue):
    glue.gated = True
    with pytest.raises(UsageError, match=r"nyu-mll/glue is gated: accept its terms.*HF_TOKEN"):
        find_task("cola").locate(Where())


def test_a_hub_that_cannot_be_reached_is_one_message(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"nyu-mll/glue is needed and the hub cannot be reached.*folder"):
        find_task("cola").locate(Where())


def test_splits_that_are_not_there_are_told(hub):
    repo = hub.repo("dataset", GLUE)
    repo.push("main", {"README.md": b""})
    repo.push(CONVERTED, {"cola/all/0000.parquet": parquet(ROWS)})
    with pytest.raises(UsageError, match=r"none of the splits train, validation: it has all"):
        find_task("cola").locate(Where())
