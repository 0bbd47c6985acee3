"""Results are read from records alone: what is finished counts, what is missing is named."""

from dataclasses import replace

import numpy as np
import pytest

from outgrow.dag.step import closure
from outgrow.errors import StepError
from outgrow.metrics import contrast_interval
from outgrow.plan import make_plan
from outgrow.results import Results

TRUTH = [0, 1] * 10
RIGHT = {"weak": 12, "student": 15, "ceiling": 18, "zero_shot": 8}


def outputs_of(num_right, *, shift=0):
    """Return what a record keeps of predictions of which this many are right."""
    right = np.zeros(len(TRUTH), bool)
    right[(np.arange(num_right) + shift) % len(TRUTH)] = True
    predicted = np.where(right, TRUTH, 1 - np.array(TRUTH))
    return {
        "accuracy": num_right / len(TRUTH),
        "predicted": predicted.tolist(),
        "correct": "".join("01"[int(each)] for each in right),
        "calibration_error": 0.1,
    }


def publish(store, step, outputs, *, device="cpu", torch="2"):
    provenance = {"seconds": 2.0, "device": device, "packages": {"torch": torch} if step.kind != "task" else {}}
    with store.claim(step.key) as mine:
        assert mine
        scratch = store.scratch(step.key)
        record = {"key": step.key, "title": step.title, "function": step.function, "version": step.version}
        record |= {"spec": dict(step.spec), "inputs": {}, "outputs": outputs, "provenance": provenance}
        store.publish(scratch, record)


def fill(store, plan, *, skip=(), right=None, **options):
    """Publish a made-up record for every step that a table is made from."""
    numbers = RIGHT | (right or {})
    done = set()
    for cell in plan.cells:
        roles = {
            "source": {"test_truth": TRUTH, "test_groups": list(range(len(TRUTH)))},
            "weak": {"test": outputs_of(numbers["weak"], shift=cell.seed)},
            "result": {"test": outputs_of(numbers["student"], shift=cell.seed)},
            "ceiling": {"test": outputs_of(numbers["ceiling"], shift=2 * cell.seed)},
            "zero_shot": {"test": outputs_of(numbers["zero_shot"])},
        }
        for role, outputs in roles.items():
            step = getattr(cell, role)
            if step is not None and step.key not in done and (role, cell.seed) not in skip:
                done.add(step.key)
                publish(store, step, outputs, **options)


def read(study, store, **options):
    plan = make_plan(study)
    fill(store, plan, **options)
    return Results(plan, store)


def test_a_row_holds_the_figures_of_its_cells(tiny_study, store):
    (row,) = read(tiny_study("chess-puzzle", seeds=(0, 1)), store).table()
    names = ("weak", "student_accuracy", "ceiling", "zero_shot", "gain", "pgr", "net_pgr", "floor")
    assert [row[name] for name in names] == pytest.approx([0.6, 0.75, 0.9, 0.4, 0.15, 0.5, 0.5, "weak"])
    assert (row["seeds"], row["calibration_error"], row["seconds"]) == (2, pytest.approx(0.1), 4.0)


def test_the_floor_is_zero_shot_where_that_is_higher_and_harm_is_said(tiny_study, store):
    (row,) = read(tiny_study("chess-puzzle", seeds=(0, 1)), store, right={"zero_shot": 16}).table()
    assert row["floor"] == "zero-shot"
    assert row["gain"] == pytest.approx(0.75 - 0.8)
    assert row["pgr"] == pytest.approx(0.5)
    assert any("below its zero-shot accuracy" in each for each in row["warnings"])


def test_no_gap_is_said_and_net_pgr_is_none(tiny_study, store):
    (row,) = read(tiny_study(seeds=(0, 1)), store, right={"ceiling": 10}).table()
    assert row["net_pgr"] is None
    assert any("there is no gap to recover" in each for each in row["warnings"])


def test_one_seed_is_said(tiny_study, store):
    (comparison,) = read(tiny_study(), store).comparisons
    assert any("one seed only" in each for each in comparison.warnings)


def test_missing_seeds_are_named_and_the_others_count(tiny_study, store):
    results = read(tiny_study(seeds=(0, 1, 2)), store, skip={("result", 1)})
    (comparison,) = results.comparisons
    assert (comparison.seeds, comparison.missing_seeds) == ((0, 2), (1,))
    with pytest.raises(StepError, match="is not finished"):
        results.cell("chess-blunder", "tiny-8", "tiny-16", "naive", 1)
    with pytest.raises(StepError, match="has no cell"):
        results.cell("chess-blunder", "tiny-8", "tiny-16", "naive", 9)


def test_nothing_finished_is_no_row(tiny_study, store):
    assert Results(make_plan(tiny_study()), store).table() == []


def test_comparisons_come_in_the_order_of_the_study(tiny_study, store):
    study = tiny_study(methods=["naive-hard", "naive", "confidence"], students=["tiny-16", "tiny-12"])
    found = [(each.student, each.method) for each in read(study, store).comparisons]
    assert found == [(s, m) for s in ("tiny-16", "tiny-12") for m in ("naive-hard", "naive", "confidence")]


@pytest.mark.parametrize(("name", "what"), [("device", "devices"), ("torch", "library versions")])
def test_a_table_that_mixes_machines_says_so(tiny_study, store, name, what):
    plan = make_plan(tiny_study(seeds=(0, 1)))
    for i, cell in enumerate(plan.cells):
        only = replace(plan, cells=(cell,))
        skip = {("source", 1)}
        fill(store, only, skip=skip, **{name: f"kind-{i}"})
    (comparison,) = Results(plan, store).comparisons
    assert any(f"computed with different {what}" in each for each in comparison.warnings)
    assert not any(
        "different" in each for each in Results(replace(plan, cells=plan.cells[:1]), store).table()[0]["warnings"]
    )


def test_the_difference_of_two_comparisons_is_paired_by_row_and_seed(tiny_study, store):
    results = read(tiny_study(methods=["naive", "naive-hard"], seeds=(0, 1)), store)
    one, other = results.comparisons
    found = results.difference(one, other)
    assert found.mean == 0.0
    assert found == contrast_interval(np.zeros((2, len(TRUTH))), np.arange(len(TRUTH)))


def test_a_difference_of_other_roles_is_that_of_their_own_models(tiny_study, store):
    results = read(tiny_study(methods=["naive", "naive-hard", "linear-probe"], seeds=(0, 1)), store)
    one, other, probe = results.comparisons
    shared = results.difference(one, other, of="ceiling")
    assert (shared.mean, shared.low, shared.high) == (0.0, 0.0, 0.0)
    ceilings = [
        results.cell(each.task, each.supervisor, each.student, each.method, 0)["ceiling"] for each in (one, probe)
    ]
    accuracies = [each["test"]["accuracy"] for each in ceilings]
    assert results.difference(one, probe, of="ceiling").mean == pytest.approx(accuracies[0] - accuracies[1])


def test_aggregates_count_what_they_leave_out(tiny_study, store):
    results = read(tiny_study(methods=["naive", "naive-hard"], seeds=(0, 1)), store)
    found = results.aggregates()
    assert found["ratio_of_mean_gains"] == pytest.approx(0.5)
    assert (found["median_pgr_median"], found["median_pgr_num_counted"]) == (pytest.approx(0.5), 2)
    assert found["median_pgr_num_left_out"] == 0


def test_reading_needs_records_only(tiny_study, store):
    plan = make_plan(tiny_study(seeds=(0, 1)))
    fill(store, plan)
    assert all(store.get(key) is None for key, step in closure(plan.targets).items() if step.kind == "label")
    assert len(Results(plan, store).table()) == 1
