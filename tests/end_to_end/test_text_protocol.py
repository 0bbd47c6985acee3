"""The protocol on text tasks with language models: every method of the table, every tuning, encoders as supervisors."""

import pytest
from tests.running import finished

from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.errors import UsageError
from outgrow.methods import METHODS
from outgrow.plan import make_plan

LADDER = ("bert-8", "llama-12", "llama-16")
STOPPING = {"supervisor_validation": 16, "student_validation": 16}


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("text") / "store")


def test_every_method_ends_in_a_comparison(text_study, shared_store):
    study = text_study(methods=tuple(METHODS), supervisors=LADDER[:2], students=LADDER[2:], rows=STOPPING)
    results = finished(study, shared_store)
    pairs = {(each.supervisor, each.method) for each in results.comparisons}
    assert {method for _, method in pairs} == set(METHODS)
    assert ("bert-8", "generative") in pairs
    assert ("bert-8", "generative-all") not in pairs
    assert any("bert-8 is an encoder" in note for note in results.plan.notes)
    warned = {each.method: each.warnings for each in results.comparisons}
    assert any("the supervisor was not" in each for each in warned["generative"])
    assert not any("the supervisor was not" in each for each in warned["generative-all"])
    told = {name: [each for each in warnings if each.startswith("CHEATING")] for name, warnings in warned.items()}
    assert {name for name, warnings in told.items() if warnings} == {n for n, m in METHODS.items() if m.told}


def test_ceilings_know_nothing_of_methods_but_what_they_tune(text_study):
    plan = make_plan(text_study(methods=tuple(METHODS), supervisors=LADDER[:2], students=LADDER[2:], rows=STOPPING))
    for cell in plan.cells:
        spec = cell.ceiling.spec
        assert (spec["loss"], spec["train"]["labels"], spec["validation"]) == ("cross-entropy", "truth", None)
    by_method = {cell.method: cell.ceiling.key for cell in plan.cells}
    apart = {name for name, key in by_method.items() if key != by_method["naive"]}
    assert apart == {n for n, method in METHODS.items() if method.tuning not in ("", "none") or method.generative}


@pytest.mark.parametrize("tuning", ["full", "lora", "probe", "probe-then-full"])
@pytest.mark.parametrize("task", ["sst2", "openbookqa"])
def test_a_model_learns_what_the_words_tell(text_study, shared_store, task, tuning):
    training = {"tuning": tuning, "epochs": 6}
    results = finished(text_study(task, training=training, rows={"student": 200}), shared_store)
    (row,) = results.table()
    assert row["ceiling"] > 0.75
    assert 0 <= row["natural_student"] <= 1
    weak = results.plan.cells[0].weak
    assert weak.spec["train"]["labels"] == "truth"


def test_an_untuned_causal_model_is_read_by_its_answer_tokens_and_an_encoder_is_not(text_study, shared_store):
    results = finished(text_study(supervisors=LADDER[:1], students=LADDER[:2]), shared_store)
    assert {row["student"]: row["zero_shot"] is None for row in results.table()} == {"bert-8": True, "llama-12": False}


def test_a_probe_study_forwards_every_model_once(text_study):
    study = text_study(
        methods=("naive", "confidence", "knn-cleaning"),
        supervisors=LADDER[:2],
        students=LADDER,
        training={"tuning": "probe"},
        seeds=(0, 1, 2),
    )
    steps = closure(make_plan(study).targets).values()
    assert sorted(each.title for each in steps if each.kind == "features") == sorted(
        f"features of {name}, sst2" for name in LADDER
    )


def test_several_supervisors_are_pooled_on_test_too(text_study, shared_store):
    results = finished(text_study(methods=("ensemble-mean",), supervisors=LADDER[:2]), shared_store)
    (row,) = results.table()
    assert row["supervisor"] == "bert-8 + llama-12"
    assert 0.4 <= row["weak"] <= 1


def test_of_one_supervisor_nothing_is_pooled(text_study):
    with pytest.raises(Exception, match="several supervisors"):
        make_plan(text_study(methods=("ensemble-mean",)))


def test_what_is_trained_on_one_task_is_tested_on_another(text_study, shared_store):
    for tuning in ("full", "probe"):
        study = text_study(methods=("naive", "stop-truth"), training={"tuning": "full"}, rows=STOPPING)
        if tuning == "probe":
            study = text_study(training={"tuning": "probe"})
        block = study.comparisons[0].model_copy(update={"test_on": ("openbookqa",)})
        results = finished(study.model_copy(update={"comparisons": (block,)}), shared_store)
        rows = {(row["task"], row["method"]): row for row in results.table()}
        assert {task for task, _ in rows} == {"sst2", "sst2 on openbookqa"}
        far, near = rows["sst2 on openbookqa", "naive"], rows["sst2", "naive"]
        assert (far["zero_shot"], far["weak"]) != (near["zero_shot"], near["weak"])
        if tuning == "full":
            assert any(each.startswith("CHEATING") for each in rows["sst2 on openbookqa", "stop-truth"]["warnings"])
        cell = next(each for each in results.cells if each.task == "sst2 on openbookqa")
        assert len(results.predictions(cell)["id"]) == 60


def test_curves_are_looked_at_and_change_nothing(text_study, shared_store):
    plain, curved = (finished(text_study(training={"epochs": 4, "curve": points}), shared_store) for points in (0, 5))
    for results in (plain, curved):
        assert any("heads started differently" in each for each in results.table()[0]["warnings"])
    (one,), (other,) = ([results.cell("sst2", "bert-8", "llama-16", "naive", 0)] for results in (plain, curved))
    assert one["result"]["test"] == other["result"]["test"]
    assert "curve" not in one["result"]
    curve = other["result"]["curve"]
    assert [point["step"] for point in curve] == [3, 6, 10, 13, 16]
    assert curve[-1]["accuracy"] == other["result"]["test"]["accuracy"]
    assert all(0 <= point["agreement"] <= 1 for point in curve)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": {"student": 63}}, "rows.student must be a multiple of 2"),
        ({"rows": {"test": 61}}, "rows.test must be a multiple of 2"),
        ({"training": {"batch": 4}, "methods": ["confidence"]}, "confidence needs 4 rows of each class in a batch"),
        ({"training": {"head": "completion"}}, "sst2: training.head completion is for options that are texts"),
        ({"training": {"chat_template": True}}, "its prompts are not dialogues"),
        ({"training": {"tuning": "probe", "ema": 0.9, "curve": 5}}, "a probe has no training.ema, training.curve"),
    ],
    ids=str,
)
def test_what_does_not_fit_the_task_is_refused_before_anything_runs(text_study, changes, message):
    with pytest.raises(UsageError, match=message):
        make_plan(text_study(**changes))


def test_a_task_is_not_tested_elsewhere_on_itself(text_study):
    study = text_study()
    block = study.comparisons[0].model_copy(update={"test_on": ("sst2",)})
    with pytest.raises(UsageError, match="test_on names the task itself"):
        make_plan(study.model_copy(update={"comparisons": (block,)}))


def test_an_encoder_is_refused_where_a_language_model_is_needed(text_study):
    with pytest.raises(UsageError, match="bert-8 is an encoder, not a causal language model"):
        make_plan(text_study("hh_rlhf", training={"head": "completion"}))
