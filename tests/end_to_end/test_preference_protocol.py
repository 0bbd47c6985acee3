"""The protocol on pairs of texts: every applicable method, every tuning, and nothing that hangs on a pair's order."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.running import finished

from outgrow import tasks
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.errors import UsageError
from outgrow.methods import METHODS, check_method
from outgrow.plan import make_plan
from outgrow.tables import read_examples
from outgrow.tasks.pairs import swapped
from outgrow.words import task_notes

LADDER = ("bert-8", "llama-12", "llama-16")
TASK = "hh_rlhf"
STOPPING = {"supervisor_validation": 16, "student_validation": 16}


def applicable(*, completion=False):
    """Return the names of the methods that pairs of texts can be used with."""
    found = []
    for name, method in METHODS.items():
        if completion and method.tuning.startswith("probe"):
            continue
        try:
            check_method(method, tasks.TASKS[TASK], num_supervisors=2)
        except UsageError:
            continue
        found.append(name)
    return tuple(found)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("pairs") / "store")


@pytest.fixture
def turned(monkeypatch):
    """Return a function that turns around pairs of the task: all of them, or about half."""

    def turn(which):
        plain = tasks.TASKS[TASK]

        def read(spec, places):
            rows = plain.read(spec, places)
            rows_N = np.array([which == "all" or int(each.rpartition("-")[2]) % 2 for each in rows.every.ids], bool)
            return replace(rows, every=swapped(rows.every, rows_N))

        monkeypatch.setitem(tasks.TASKS, TASK, replace(plain, read=read))

    return turn


def test_methods_that_need_shared_classes_answer_words_or_one_vector_a_row_are_not_for_pairs():
    assert set(METHODS) - set(applicable()) == {
        "confidence-release",
        "knn-cleaning",
        "logistic-cleaning",
        "majority-class",
        "zero-shot-prompt",
        "few-shot-truth",
        "few-shot-weak",
    }


@pytest.mark.parametrize(
    ("which", "training"),
    [("all", {}), ("half", {"tuning": "probe"}), ("half", {"head": "completion"})],
    ids=["full", "probe", "completion"],
)
def test_swapping_pairs_changes_no_metric_whatever_the_method(
    text_study, shared_store, tmp_path, turned, which, training
):
    methods = applicable(completion="head" in training)
    if "tuning" in training:  # a probe does not stop early, and has no settings of training
        methods = tuple(name for name in methods if not METHODS[name].stop and not METHODS[name].training)
    supervisors = LADDER[1:] if "head" in training else LADDER[:2]
    study = text_study(TASK, methods=methods, supervisors=supervisors, students=LADDER[2:], rows=STOPPING)
    study = study.model_copy(update={"training": study.training.model_copy(update=training)})
    before = finished(study, shared_store)
    turned(which)
    after = finished(study, Store(tmp_path / "turned"))
    chains = {name for name in methods if "models-between" in METHODS[name].requires}
    assert {each.method for each in before.comparisons} >= set(methods) - (chains if "head" in training else set())
    for cell in before.plan.cells:
        name = (cell.task, cell.supervisor, cell.student, cell.method, cell.seed)
        first, second = before.cell(*name), after.cell(*name)
        assert first["source"]["test_truth"] != second["source"]["test_truth"]
        for role in first.keys() - {"source"}:
            one, other = first[role]["test"], second[role]["test"]
            assert one["predicted"] != other["predicted"], (name, role)
            assert one["correct"] == other["correct"], (name, role)
            # Bit for bit, but for a loss such as l2-confidence, which rounds f and 1 - f differently.
            figures = {key: value for key, value in one.items() if isinstance(value, float)}
            assert figures == pytest.approx({key: other[key] for key in figures}, abs=1e-6), (name, role)


@pytest.mark.parametrize("training", [{"tuning": "probe"}, {"tuning": "full"}, {"head": "completion"}], ids=str)
def test_a_model_learns_which_text_is_the_better_one(text_study, shared_store, training):
    supervisor = LADDER[1] if "head" in training else LADDER[0]
    study = text_study(
        TASK, supervisors=(supervisor,), training={"epochs": 6, **training}, rows={"student": 200, "supervisor": 100}
    )
    results = finished(study, shared_store)
    (row,) = results.table()
    assert row["ceiling"] > 0.8
    assert row["zero_shot"] is not None
    (told,) = task_notes(results, TASK)
    assert told.startswith("Always choosing the longest option is right in ")
    assert all(f"% of the answers of {who}" in told for who in ("supervisors", "untuned students", "ceilings"))


@pytest.mark.parametrize("training", [{"tuning": "probe"}, {"tuning": "full"}], ids=str)
def test_answers_that_were_not_read_whole_are_told(text_study, shared_store, training):
    study = text_study(TASK, supervisors=LADDER[1:2], training={"max_tokens": 5, **training})
    (row,) = finished(study, shared_store).table()
    assert row["texts_cut"] == 1.0
    assert 0.1 < row["options_cut"] <= 1.0
    assert any("have an option longer than max_tokens" in each for each in row["warnings"])


def test_pairs_that_a_model_cannot_tell_apart_have_no_side(text_study, tmp_path, monkeypatch):
    plain = tasks.TASKS[TASK]

    def reading(turn):
        def read(spec, places):
            rows = plain.read(spec, places)
            unknown = tuple(
                (f" x{i}", f" y{i}") if i % 2 else each for i, each in enumerate(rows.every.completions)
            )  # words that the tokenizer has not: both are the same tokens
            every = replace(rows.every, completions=unknown)
            return replace(rows, every=swapped(every) if turn else every)

        return replace(plain, read=read)

    methods = ("naive", "naive-hard", "confidence", "ensemble-mean")
    study = text_study(TASK, methods=methods, supervisors=LADDER[:2], students=LADDER[2:])
    found = []
    for turn in (False, True):
        monkeypatch.setitem(tasks.TASKS, TASK, reading(turn))
        results = finished(study, Store(tmp_path / str(turn)))
        roles = ("weak", "result", "ceiling", "zero_shot")
        names = [(cell.task, cell.supervisor, cell.student, cell.method, cell.seed) for cell in results.cells]
        found.append([results.cell(*name)[role]["test"]["correct"] for name in names for role in roles])
    assert found[0] == found[1]


def test_what_is_trained_on_pairs_is_tested_on_others_that_it_has_not_seen(text_study, text_world, store, tmp_path):
    pairs = (text_world[1] / TASK / "train.jsonl").read_text().splitlines()
    fresh = [line.replace("Human: x", "Human: z") for line in pairs[:100]]
    answers = [
        [json.loads(line)[side].rpartition("Assistant: ")[2] for line in pairs] for side in ("chosen", "rejected")
    ]
    four = [
        {"prompt": f"w{i} a", "chosen": answers[0][i : i + 1], "rejected": answers[1][i : i + 3], "subset": "Focus"}
        for i in range(100)
    ]
    folders = {TASK: pairs, "hh_rlhf_harmless": [*pairs, *fresh], "reward_bench_2": map(json.dumps, four)}
    for name, lines in folders.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "train.jsonl").write_text("\n".join(lines) + "\n")
    study = text_study(TASK, data_dir=str(tmp_path / "data"), training={"epochs": 6}, rows={"tune": 0})
    block = study.comparisons[0].model_copy(update={"test_on": ("hh_rlhf_harmless", "reward_bench_2")})
    results = finished(study.model_copy(update={"comparisons": (block,)}), store)
    rows = {row["task"]: row for row in results.table()}
    cells = {cell.task: cell for cell in results.cells}
    assert set(rows) == {TASK, f"{TASK} on hh_rlhf_harmless", f"{TASK} on reward_bench_2"}
    trained = set(read_examples(store.get(cells[TASK].source.key).path("pool.parquet")).texts)
    other = store.get(cells[f"{TASK} on hh_rlhf_harmless"].source.key)
    assert trained
    assert not trained & set(read_examples(other.path("test.parquet")).texts)
    assert other.outputs["skipped"] == {"of a text that models are trained on": len(trained)}
    assert rows[f"{TASK} on reward_bench_2"]["ceiling"] > 0.5  # of four


def test_a_frozen_model_reads_no_row_that_nobody_asks_for(text_study, text_world, store, tmp_path):
    for name in (TASK, "hh_rlhf_harmless"):
        lines = (text_world[1] / TASK / "train.jsonl").read_text()
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").write_text(lines if name == TASK else lines.replace("Human: x", "Human: z"))
    study = text_study(TASK, methods=("naive", "generative"), training={"tuning": "probe"}, data_dir=str(tmp_path))
    block = study.comparisons[0].model_copy(update={"test_on": ("hh_rlhf_harmless",)})
    results = finished(study.model_copy(update={"comparisons": (block,)}), store)
    read = {True: set(), False: set()}
    for step in closure(results.plan.targets).values():
        if step.kind == "features":
            here = step.spec["task"] == TASK
            read[here].add((bool("generative" in step.inputs), *store.get(step.key).outputs["rows"].items()))
    fixed = {name for name, _ in next(each[1:] for each in read[True] if not each[0])}
    assert fixed == {"test", "tune_fit", "tune_score", "pool"}
    assert [each[1:] for each in read[True] if each[0]] == [(("test", 60), ("student", 64))]
    assert read[False] == {(False, ("test", 60)), (True, ("test", 60))}


def test_with_the_completion_head_there_is_no_probe(text_study):
    for methods, training in ((("naive",), {"tuning": "probe"}), (("probe-then-finetune",), {})):
        study = text_study(TASK, supervisors=LADDER[1:2], methods=methods, training={"head": "completion", **training})
        with pytest.raises(UsageError, match="no probe"):
            make_plan(study)
