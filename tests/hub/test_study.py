"""A study whose rows and models come from the hub, from its YAML file to its table."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import outgrow
from outgrow.dag.step import closure
from outgrow.plan import plan_of

OWNER = "tiny-models"
STUDY = {
    "name": "from-the-hub",
    "seeds": [0],
    "models": {"weak": f"{OWNER}/bert-8", "strong": f"{OWNER}/llama-16"},
    "rows": {"supervisor": 32, "student": 32, "test": 40, "tune": 0},
    "training": {"epochs": 1, "batch": 16, "lr": 0.01, "max_tokens": 32},
    "comparisons": [{"task": "sst2", "supervisors": ["weak"], "students": ["strong"], "methods": ["naive"]}],
}


@pytest.fixture
def stocked(hub, text_world):
    """Return a hub with two tiny models and a tiny sst2."""
    models, texts = text_world
    for name in ("bert-8", "llama-16"):
        files = {path.name: path.read_bytes() for path in (models / name).iterdir()}
        hub.repo("model", f"{OWNER}/{name}").push("main", files)
    rows = [json.loads(line) for line in (texts / "sst2" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), made)
    repo = hub.repo("dataset", "stanfordnlp/sst2")
    repo.push("main", {"README.md": b""})
    repo.push("refs/convert/parquet", {"default/train/0000.parquet": made.getvalue()})
    return hub


def test_a_study_of_hub_rows_and_hub_models_is_pinned_and_runs_again_without_the_hub(stocked, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    (row,) = outgrow.run(path, store=tmp_path / "store").table()
    assert (row["supervisor"], row["student"]) == ("weak", "strong")
    assert row["zero_shot"] is not None
    lock = yaml.safe_load((tmp_path / "mine.lock.yaml").read_text(encoding="utf-8"))
    assert set(lock["models"]) == {f"{OWNER}/bert-8", f"{OWNER}/llama-16"}
    assert set(lock["datasets"]) == {"stanfordnlp/sst2"}
    (cell,) = plan_of(path).cells
    pinned = {"hub": f"{OWNER}/llama-16", "revision": lock["models"][f"{OWNER}/llama-16"]["revision"]}
    assert cell.result.spec["model"].items() >= pinned.items()
    stocked.asked.clear()
    again = outgrow.run(path, store=tmp_path / "store").table()
    assert again == [row]
    assert stocked.asked == []  # what is finished needs no hub, not even to know what it was made from


def test_the_revision_is_part_of_what_identifies_a_step(stocked, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    before = {step.key for step in closure(plan_of(path).targets).values()}
    repo = stocked.repo("model", f"{OWNER}/llama-16")
    repo.push("main", repo.commits[repo.refs["main"]] | {"README.md": b"another commit"})
    assert {step.key for step in closure(plan_of(path).targets).values()} == before
    (tmp_path / "mine.lock.yaml").unlink()
    after = closure(plan_of(path).targets).values()
    assert {step.title for step in after if step.key not in before} == {
        "naive strong, sst2, seed 0",
        "ceiling strong, sst2, seed 0",
        "zero-shot strong, sst2",
    }
