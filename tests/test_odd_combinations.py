"""Combinations that would silently do something else than they say: refused when a study is planned, in one message."""

import json

import pytest

from outgrow.api import run_plan
from outgrow.errors import UsageError
from outgrow.methods import find_method
from outgrow.plan import make_plan
from outgrow.spec import LabelFile

METHOD = "from outgrow.methods import Method\nMETHOD = Method({!r}, 'About.', 'me'{})\n"


def block_with(study, **changes):
    return study.model_copy(update={"comparisons": (study.comparisons[0].model_copy(update=changes),)})


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a method file and returns its path."""

    def write(file, name, choices=""):
        path = tmp_path / file
        path.write_text(METHOD.format(name, choices), encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("method", ["ema", "weight-decay", "dropout"])
def test_a_method_that_changes_how_all_weights_are_trained_is_no_probe(text_study, method):
    with pytest.raises(UsageError, match=f"{method} changes .*, of which a probe has none"):
        make_plan(text_study(methods=(method,), training={"tuning": "probe"}))
    assert make_plan(text_study(methods=(method, "linear-probe"))).cells


@pytest.mark.parametrize(
    ("training", "setting"), [({"lr": "tune"}, "lr"), ({"l2": "tune", "tuning": "probe"}, "l2")], ids=["lr", "l2"]
)
def test_nothing_can_be_found_on_a_tune_split_of_no_rows(text_study, training, setting):
    with pytest.raises(UsageError, match=rf"training\.{setting} .*: rows\.tune must be above 0"):
        make_plan(text_study(training=training, rows={"tune": 0}))


def test_a_tune_split_that_the_task_has_no_rows_for_is_named(text_study, store):
    study = text_study(training={"lr": "tune", "lr_grid": (0.01,)}, rows={"tune": 2})
    summary = run_plan(make_plan(study), store=store)
    messages = {failure.message for failure in summary.failures.values()}
    assert len(messages) == 1
    assert "no row for the split tune_fit" in messages.pop()


def test_an_encoder_has_no_probability_of_texts(text_study, tmp_path):
    row = {"chosen": "\n\nHuman: x\n\nAssistant: a", "rejected": "\n\nHuman: x\n\nAssistant: b"}
    (tmp_path / "hh_rlhf.jsonl").write_text(json.dumps(row), encoding="utf-8")
    study = text_study("hh_rlhf", training={"head": "completion"})
    with pytest.raises(UsageError, match="bert-8 is an encoder"):
        make_plan(block_with(study, data=str(tmp_path / "hh_rlhf.jsonl")))


def test_more_examples_than_the_student_has_rows_are_refused(text_study):
    with pytest.raises(UsageError, match=r"shows 5 rows .* which has 4: raise rows\.student"):
        make_plan(text_study(methods=("few-shot-truth",), rows={"student": 4}))


def test_two_method_files_of_one_name_are_refused(text_study, own):
    one, other = own("a.py", "mine", ", labels='hard'"), own("b.py", "mine")
    with pytest.raises(UsageError, match=r"a\.py and .*b\.py both call their method mine"):
        make_plan(text_study(methods=("naive", one, other)))
    block = text_study(methods=(one,)).comparisons[0]
    both = text_study().model_copy(
        update={"comparisons": (block, block.model_copy(update={"methods": (other,), "label": "again"}))}
    )
    with pytest.raises(UsageError, match="both call their method mine"):
        make_plan(both)
    assert len(make_plan(text_study(methods=(one, one))).cells) == 1


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (", training={'lr': 1e-5}", r"training\.lr is the study's to set"),
        (", training={'max_tokens': 8}", r"training\.max_tokens is the study's to set"),
        (", training={'tuning': 'lora'}", r"training\.tuning is the study's to set"),
        (", tuning='none', loss='reverse-kl'", "tuning='none' trains nothing"),
        (", tuning='none', training={'epochs': 2}", "tuning='none' trains nothing"),
        (", shots=3", "shots are for tuning='none' only"),
        (", pool='mean', chain=True", "pool goes with neither chain nor links"),
    ],
)
def test_choices_that_would_do_nothing_are_refused(own, choices, message):
    with pytest.raises(UsageError, match=message):
        find_method(own("mine.py", "mine", choices))


def test_settings_that_a_method_may_change_reach_the_student_alone(text_study, own):
    (cell,) = make_plan(text_study(methods=(own("mine.py", "mine", ", training={'epochs': 5}"),))).cells
    assert cell.result.spec["training"]["epochs"] == 5
    assert cell.ceiling.spec["training"]["epochs"] == cell.weak.spec["training"]["epochs"] == 2


def test_a_file_of_labels_is_not_tested_elsewhere_and_the_plan_says_why(text_study, tmp_path):
    (tmp_path / "labels.jsonl").write_text("", encoding="utf-8")
    study = text_study(supervisors=(LabelFile(name="crowd", path=str(tmp_path / "labels.jsonl")),))
    plan = make_plan(block_with(study, test_on=("openbookqa",)))
    assert [cell.task for cell in plan.cells] == ["sst2"]
    assert plan.notes == ("naive left out for sst2 on openbookqa: a file has no labels for its rows",)
