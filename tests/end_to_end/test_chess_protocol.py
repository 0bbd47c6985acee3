"""The whole protocol on a tiny ladder: a study goes in, comparisons come out, the same ones wherever it runs."""

import json

import numpy as np
import pytest
from tests.running import finished

from outgrow.api import run_plan
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.metrics import agreement
from outgrow.plan import make_plan
from outgrow.tables import read_labels

LADDER = ["tiny-8", "tiny-12", "tiny-16"]
STUDIES = {
    "chess-puzzle": {"methods": ["naive-hard", "confidence", "bootstrapping-hard"], "students": LADDER[1:]},
    "chess-blunder": {"methods": ["naive", "confidence", "confidence-release"], "seeds": (0, 1)},
}


def outputs(results):
    """Return what every step gave, by key."""
    return {key: results.store.get(key).outputs for key in closure(results.plan.targets)}


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    """Return a store that the tests of this module share: what one has computed another finds."""
    return Store(tmp_path_factory.mktemp("shared") / "store")


@pytest.mark.parametrize("task", STUDIES)
def test_a_study_ends_in_comparisons_with_all_figures(tiny_study, shared_store, task):
    results = finished(tiny_study(task, **STUDIES[task]), shared_store)
    table = {(row["student"], row["method"]): row for row in results.table()}
    if task == "chess-puzzle":
        chained = {"bootstrapping-hard", "bootstrapping-control-hard"}
        plain = {"naive-hard", "confidence"}
        expected = {("tiny-16", method) for method in plain | chained} | {("tiny-12", method) for method in plain}
    else:
        expected = {("tiny-16", method) for method in STUDIES[task]["methods"]}
    assert set(table) == expected
    for row in table.values():
        assert all(0 <= row[name] <= 1 for name in ("weak", "student_accuracy", "ceiling", "agreement"))
        assert row["weak_low"] <= row["weak"] <= row["weak_high"]
        if row["ceiling"] != row["weak"]:
            assert row["pgr"] == pytest.approx((row["student_accuracy"] - row["weak"]) / (row["ceiling"] - row["weak"]))
        floor = max(row["weak"], row["zero_shot"] or 0)
        assert row["gain"] == pytest.approx(row["student_accuracy"] - floor)
    assert (table["tiny-16", "confidence"]["zero_shot"] is None) is (task == "chess-blunder")
    assert not any("CHEATING" in warning for row in table.values() for warning in row["warnings"])
    json.dumps([each.plain() for each in results.comparisons])


def test_what_is_told_of_a_cell_follows_from_its_records(tiny_study, shared_store):
    results = finished(tiny_study("chess-blunder", **STUDIES["chess-blunder"]), shared_store)
    (comparison,) = (each for each in results.comparisons if each.method == "naive")
    cells = [results.cell("chess-blunder", "tiny-8", "tiny-16", "naive", seed) for seed in (0, 1)]
    truth_N = np.array(cells[0]["source"]["test_truth"])
    for role, estimate in (("weak", "weak"), ("result", "student"), ("ceiling", "ceiling")):
        predicted_SN = np.array([cell[role]["test"]["predicted"] for cell in cells])
        assert getattr(comparison.summary, estimate).mean == pytest.approx((predicted_SN == truth_N).mean())
        for cell, predicted_N in zip(cells, predicted_SN, strict=True):
            assert cell[role]["test"]["accuracy"] == (predicted_N == truth_N).mean()
    student, weak = (np.concatenate([c[r]["test"]["predicted"] for c in cells]) for r in ("result", "weak"))
    assert comparison.agreement == agreement(student, weak, truth_N=np.tile(truth_N, 2))
    assert np.bincount(truth_N).tolist() == [30, 30]


def test_label_accuracy_is_that_of_the_supervisor_on_the_student_s_rows(tiny_study, shared_store):
    results = finished(tiny_study("chess-blunder", **STUDIES["chess-blunder"]), shared_store)
    for cell in results.plan.cells:
        student, ceiling = (shared_store.get(step.key) for step in (cell.result, cell.ceiling))
        labels = shared_store.get(cell.result.inputs["labels_student"].key)
        assert student.outputs["label_accuracy"] == labels.outputs["accuracy"] < 1
        assert ceiling.outputs["label_accuracy"] == 1
        assert student.outputs["steps"] == ceiling.outputs["steps"] == 6  # 2 epochs of 48 rows, 16 a batch
        assert student.record["spec"]["splits"] == ceiling.record["spec"]["splits"]


def test_students_weights_are_dropped_and_supervisors_are_kept(tiny_study, shared_store):
    results = finished(tiny_study("chess-blunder", **STUDIES["chess-blunder"]), shared_store)
    cell = results.plan.cells[0]
    files = {role: set(shared_store.get(getattr(cell, role).key).record["files"]) for role in ("weak", "result")}
    assert files == {"weak": {"test.parquet", "weights.safetensors"}, "result": {"test.parquet"}}


@pytest.mark.parametrize("task", STUDIES)
def test_two_workers_in_another_store_give_the_same_numbers(tiny_study, shared_store, tmp_path, task):
    study = tiny_study(task, **STUDIES[task] | {"seeds": (0,)})
    first = finished(study, shared_store)
    second = finished(study, Store(tmp_path / "another"), jobs=2 if task == "chess-puzzle" else 1)
    assert outputs(first) == outputs(second)


def test_seeds_differ_in_rows_but_not_in_the_test_set(tiny_study, shared_store):
    results = finished(tiny_study("chess-blunder", **STUDIES["chess-blunder"]), shared_store)
    weak = [results.cell("chess-blunder", "tiny-8", "tiny-16", "naive", seed)["weak"] for seed in (0, 1)]
    assert weak[0]["loss"] != weak[1]["loss"]
    tests = [read_labels(shared_store.get(cell.result.key).path("test.parquet")).ids for cell in results.plan.cells]
    assert len(set(tests)) == 1


@pytest.mark.parametrize("task", STUDIES)
def test_a_supervisor_s_own_labels_from_a_file_make_the_same_student(tiny_study, shared_store, tmp_path, task):
    study = tiny_study(task, methods=["naive"])
    own = finished(study, shared_store).plan.cells[0]
    path = tmp_path / "labels.jsonl"
    files = (own.result.inputs["labels_student"], "labels.parquet"), (own.weak, "test.parquet")
    with path.open("w") as file:
        for step, name in files:
            labels = read_labels(shared_store.get(step.key).path(name))
            for each, probabilities_K in zip(labels.ids, labels.dense(), strict=True):
                file.write(json.dumps({"id": each, "probabilities": probabilities_K.tolist()}) + "\n")
    results = finished(
        tiny_study(task, methods=["naive"], supervisors=[{"name": "x", "path": str(path)}]), shared_store
    )
    (cell,) = results.plan.cells
    assert cell.result.key != own.result.key
    assert cell.ceiling.key == own.ceiling.key
    student, expected = (
        read_labels(shared_store.get(step.key).path("test.parquet")) for step in (cell.result, own.result)
    )
    np.testing.assert_array_equal(student.options_NT, expected.options_NT)
    np.testing.assert_allclose(student.probabilities_NT, expected.probabilities_NT, atol=1e-6)
    weak, expected_weak = (shared_store.get(step.key).outputs["test"] for step in (cell.weak, own.weak))
    assert weak["predicted"] == expected_weak["predicted"]
    (row,) = results.table()
    assert (row["supervisor"], row["weak"]) == ("x", expected_weak["accuracy"])


def test_tuned_learning_rates_serve_every_role(tiny_study, store, monkeypatch):
    monkeypatch.setattr("outgrow.task_steps.LEARNING_RATES", {"ladder": (1e-4, 0.02)})
    results = finished(tiny_study(training={"lr": "tune"}), store)
    (cell,) = results.plan.cells
    tuned = {role: store.get(getattr(cell, role).inputs["tune"].key).outputs for role in ("weak", "result", "ceiling")}
    for role, found in tuned.items():
        assert store.get(getattr(cell, role).key).outputs["lr"] == found["lr"] in (1e-4, 0.02)
        assert found["log_loss"][f"{found['lr']:g}"] == min(found["log_loss"].values())
        assert found["at_edge"] is True  # of two rates each is an edge
    assert any("edge of its grid" in warning for warning in results.comparisons[0].warnings)


@pytest.mark.parametrize("stop", ["weak", "truth"])
def test_stopping_keeps_the_best_check_and_stopping_on_truth_is_called_cheating(tiny_study, shared_store, stop):
    rows = {"supervisor_validation": 16, "student_validation": 16}
    results = finished(tiny_study(training={"stop": stop, "checks": 3}, rows=rows), shared_store)
    (cell,) = results.plan.cells
    for step in (cell.weak, cell.result, cell.ceiling):
        found = shared_store.get(step.key).outputs
        assert len(found["validation_agreement"]) == 3
        best = found["validation_agreement"].index(max(found["validation_agreement"]))
        assert found["kept_step"] == round(found["steps"] * (best + 1) / 3)
    marked = [warning for warning in results.comparisons[0].warnings if "CHEATING" in warning]
    assert marked == (["CHEATING: stopped on the truth of student_validation"] if stop == "truth" else [])


def test_too_few_rows_fail_with_the_split_and_the_remedy(tiny_study, store):
    summary = run_plan(make_plan(tiny_study(rows={"student": 4_000})), store=store)
    assert not summary.ok
    messages = [failure.message for failure in summary.failures.values()]
    assert any("the split student got" in each and "lower the numbers under rows" in each for each in messages)
    assert summary.count("built") >= 1  # the rows were read, the supervisor needs no more
