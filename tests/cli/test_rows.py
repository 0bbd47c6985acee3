"""`outgrow rows` and `outgrow.rows`: exactly the rows that a label file has to cover, with their ids."""

import json

import pyarrow.parquet as pq
import pytest

import outgrow as package
from outgrow.errors import UsageError
from outgrow.spec import Study


@pytest.fixture
def experts(tiny_ladder, tiny_tasks, tmp_path):
    """Return a function that makes a study whose supervisor is a label file, and the file's path."""

    def make(task="chess-blunder", *, methods=("naive",), students=("tiny-16",), **changes):
        block = {
            "task": task,
            "data": str(tiny_tasks[task]),
            "supervisors": [{"name": "experts", "path": str(tmp_path / "experts.jsonl")}],
            "students": students,
            "methods": methods,
        }
        rows = {"supervisor": 20, "student": 24, "student_validation": 8, "link": 10, "test": 40, "tune": 0}
        study = {"name": "experts", "seeds": [0, 1], "rows": rows, "comparisons": [block]} | changes
        return Study.model_validate(study | {"training": {"epochs": 1, "batch": 8, "lr": 0.01}})

    return make


def ids(rows):
    return [row["id"] for row in rows]


def test_a_file_that_labels_these_rows_and_no_others_is_enough(experts, tmp_path, store):
    study = experts()
    rows = package.rows(study, store=store.root, truth=True)
    lines = [json.dumps({"id": row["id"], "label": row["truth"]}) for row in rows]
    (tmp_path / "experts.jsonl").write_text("\n".join(lines))
    (row,) = package.run(study, store=store.root).table()
    assert row["weak"] == 1.0
    assert len(set(ids(rows))) == len(rows) == 40 + len({each for seed in (0, 1) for each in dealt(study, seed, store)})


def dealt(study, seed, store):
    splits = ("student", "student_validation")
    return [each for split in splits for each in ids(package.rows(study, split=split, seed=seed, store=store.root))]


def test_splits_of_a_seed_are_apart_and_as_large_as_the_study_says(experts, store):
    study = experts(methods=("bootstrapping",), students=("tiny-12", "tiny-16"))
    names = {"test": 40, "supervisor": 20, "student": 24, "student_validation": 8, "link_1": 10}
    found = {name: ids(package.rows(study, split=name, seed=1, store=store.root)) for name in names}
    assert {name: len(each) for name, each in found.items()} == names
    assert len({each for of_split in found.values() for each in of_split}) == sum(names.values())
    assert set(found["link_1"]) <= set(ids(package.rows(study, store=store.root)))
    assert not set(found["supervisor"]) & set(ids(package.rows(study, seed=1, store=store.root)))


def test_without_a_word_no_truth_is_told(experts, store):
    assert {tuple(row) for row in package.rows(experts(), store=store.root)} == {("id", "text")}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"split": "stundent"}, "did you mean student"),
        ({"split": "link_1"}, "unknown split"),
        ({"seed": 7}, "has the seeds 0, 1, not 7"),
        ({"task": "chess-puzzle"}, "unknown task of the study"),
    ],
)
def test_a_name_that_the_study_has_not_is_refused(experts, store, wanted, words):
    with pytest.raises(UsageError, match=words):
        package.rows(experts(), store=store.root, **wanted)


def test_one_of_several_tasks_must_be_named(store, tiny_study):
    study = tiny_study()
    both = study.model_copy(update={"comparisons": (*study.comparisons, *tiny_study("chess-puzzle").comparisons)})
    with pytest.raises(UsageError, match="name one of them"):
        package.rows(both, store=store.root)
    assert len(package.rows(both, task="chess-puzzle", split="test", store=store.root)) == 60


def test_two_blocks_that_give_a_task_other_rows_are_refused(store, tiny_study):
    study = tiny_study()
    (block,) = study.comparisons
    other = block.model_copy(update={"rows": study.rows.model_copy(update={"student": 30}), "methods": ("naive-hard",)})
    twice = study.model_copy(update={"comparisons": (block, other)})
    with pytest.raises(UsageError, match="in several ways"):
        package.rows(twice, store=store.root)


@pytest.fixture
def file(experts, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(experts().model_dump(mode="json", exclude_defaults=True)))
    return path


def test_the_command_writes_jsonl_parquet_and_stdout_alike(outgrow, file, tmp_path, store):
    options = ["--split", "test", "--store", store.root]
    code, out, err = outgrow("rows", file, *options)
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 40
    code, out, _ = outgrow("rows", file, *options, "--out", tmp_path / "new/rows.jsonl")
    assert code == 0
    assert "40 rows" in out
    lines = (tmp_path / "new/rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert outgrow("rows", file, *options, "--out", tmp_path / "rows.parquet")[0] == 0
    assert pq.ParquetFile(tmp_path / "rows.parquet").read().to_pylist() == rows


def test_another_kind_of_file_is_refused(outgrow, file, store):
    code, _, err = outgrow("rows", file, "--store", store.root, "--out", "rows.csv")
    assert code == 2
    assert ".jsonl or .parquet" in err
