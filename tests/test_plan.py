"""Plans: which steps a study needs, which of them its cells share, and what changes their keys."""

import pytest

from outgrow.dag.step import closure
from outgrow.errors import UsageError
from outgrow.plan import make_plan
from outgrow.task_steps import LEARNING_RATES


def kinds(plan):
    """Return how many steps of each kind the plan needs."""
    found = [step.kind for step in closure(plan.targets).values()]
    return {kind: found.count(kind) for kind in sorted(set(found))}


def cell_of(plan, method, seed=0, **names):
    return next(
        cell
        for cell in plan.cells
        if (cell.method, cell.seed) == (method, seed) and all(getattr(cell, k) == v for k, v in names.items())
    )


def test_one_naive_cell_needs_seven_steps(tiny_study):
    plan = make_plan(tiny_study("chess-puzzle", methods=["naive"]))
    # Rows, supervisor, its labels, student, ceiling, the student's zero-shot accuracy.
    assert kinds(plan) == {"finetune": 3, "label": 1, "task": 1, "zero_shot": 1}
    assert make_plan(tiny_study("chess-blunder")).cells[0].zero_shot is None  # a class head has nothing to read


def test_cells_share_all_that_they_have_in_common(tiny_study):
    plan = make_plan(
        tiny_study("chess-puzzle", methods=["naive", "naive-hard"], students=["tiny-12", "tiny-16"], seeds=(0, 1))
    )
    assert len(plan.cells) == 8
    # A seed: a supervisor, its labels, two ceilings, four students. Shared by seeds: rows and zero-shot.
    assert kinds(plan) == {"finetune": 2 * (1 + 2 + 4), "label": 2, "task": 1, "zero_shot": 2}
    for seed in (0, 1):
        cells = [cell for cell in plan.cells if cell.seed == seed]
        assert len({cell.weak.key for cell in cells}) == 1
        assert len({cell.ceiling.key for cell in cells}) == 2
        assert len({cell.result.key for cell in cells}) == 4
    assert len({cell.source.key for cell in plan.cells}) == 1


def test_students_and_ceilings_train_on_the_same_inputs(tiny_study):
    for cell in make_plan(tiny_study("chess-blunder", methods=["naive", "naive-hard", "confidence"])).cells:
        student, ceiling = dict(cell.result.spec), dict(cell.ceiling.spec)
        for name in ("loss", "loss_options", "keep_weights"):
            del student[name], ceiling[name]
        train = student.pop("train"), ceiling.pop("train")
        assert student == ceiling
        assert train[0]["splits"] == train[1]["splits"] == ["student"]
        assert (train[0]["labels"], train[1]["labels"]) == ("weak", "truth")
        assert cell.result.inputs["task"] is cell.ceiling.inputs["task"]


def test_bootstrapping_goes_over_the_model_between_and_brings_its_control(tiny_study):
    plan = make_plan(tiny_study(methods=["bootstrapping"], students=["tiny-12", "tiny-16"]))
    assert [(cell.student, cell.method) for cell in plan.cells] == [
        ("tiny-16", "bootstrapping"),
        ("tiny-16", "bootstrapping-control"),
    ]
    chain, control = plan.cells
    assert chain.result.spec["train"]["splits"] == ["student"]
    assert control.result.spec["train"]["splits"] == ["student", "link_1"]
    (labels,) = [step for name, step in chain.result.inputs.items() if name.startswith("labels")]
    link = labels.inputs["model"]
    assert link.spec["train"]["splits"] == ["link_1"]
    (link_labels,) = [step for name, step in link.inputs.items() if name.startswith("labels")]
    assert link_labels.spec["split"] == "link_1"
    assert link_labels.inputs["model"].key == chain.weak.key
    assert chain.ceiling.key == control.ceiling.key == make_plan(tiny_study()).cells[0].ceiling.key


def test_a_method_that_lacks_what_it_needs_is_left_out_and_noted(tiny_study):
    plan = make_plan(tiny_study(methods=["naive", "bootstrapping"], students=["tiny-12"]))
    assert [cell.method for cell in plan.cells] == ["naive"]
    assert any("bootstrapping left out for tiny-8 -> tiny-12" in note for note in plan.notes)


def test_the_naming_of_a_file_of_labels_is_that_of_its_supervisor(tiny_study, tmp_path):
    (tmp_path / "labels.jsonl").write_text("{}\n")
    crowd = {"name": "crowd", "path": str(tmp_path / "labels.jsonl")}
    plan = make_plan(tiny_study(methods=["naive", "bootstrapping"], supervisors=[crowd]))
    assert {cell.supervisor for cell in plan.cells} == {"crowd"}
    assert kinds(plan) == {"finetune": 2, "label_file": 1, "task": 1}
    assert any("for crowd -> tiny-16" in note for note in plan.notes)


def test_a_file_of_labels_cannot_read_texts_first(tiny_study, tmp_path):
    (tmp_path / "labels.jsonl").write_text("{}\n")
    crowd = {"name": "crowd", "path": str(tmp_path / "labels.jsonl")}
    plan = make_plan(tiny_study(methods=["generative", "generative-all"], supervisors=[crowd]))
    assert {cell.method for cell in plan.cells} == {"generative"}
    assert any("generative-all left out for crowd -> tiny-16: a file of labels reads no texts" in n for n in plan.notes)


def test_students_smaller_than_their_supervisor_are_left_out(tiny_study):
    plan = make_plan(tiny_study(supervisors=["tiny-8", "tiny-16"], students=["tiny-12"]))
    assert {(cell.supervisor, cell.student) for cell in plan.cells} == {("tiny-8", "tiny-12")}
    with pytest.raises(UsageError, match="has no cell: every student of chess-blunder is smaller"):
        make_plan(tiny_study(supervisors=["tiny-16"], students=["tiny-12"]))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"name": "renamed"}, {"weak", "result", "ceiling"}),
        ({"seeds": (0, 1, 2)}, {"weak", "result", "ceiling"}),
        ({"methods": ["naive", "confidence", "bootstrapping"]}, {"weak", "result", "ceiling"}),
        ({"students": ["tiny-12", "tiny-16"]}, {"weak", "result", "ceiling"}),
        ({"rows": {"link": 7}}, {"weak", "result", "ceiling"}),
        ({"rows": {"student": 32}}, {"weak"}),
        ({"rows": {"student_validation": 8}}, {"weak", "result", "ceiling"}),
        ({"keep_students": True}, {"weak", "ceiling"}),
        ({"rows": {"supervisor": 32}}, set()),
        ({"rows": {"test": 50}}, set()),
        ({"training": {"epochs": 3}}, set()),
        ({"training": {"batch": 8}}, set()),
        ({"training": {"lr": 0.02}}, set()),
        ({"training": {"lr": 0.01}}, {"weak", "result", "ceiling"}),
        ({"training": {"weight_decay": 0.1}}, set()),
        ({"training": {"warmup": 0.2}}, set()),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_a_change_reaches_the_steps_whose_numbers_it_changes_and_no_other(tiny_study, changes, same):
    before = cell_of(make_plan(tiny_study()), "naive")
    after = cell_of(make_plan(tiny_study(**changes)), "naive", student="tiny-16")
    roles = {"weak", "result", "ceiling"}
    assert {role for role in roles if getattr(before, role).key == getattr(after, role).key} == same


def test_a_change_of_the_data_is_new_work(tiny_study, tiny_tasks, tmp_path):
    before = make_plan(tiny_study()).cells[0]
    copy = tmp_path / "rows.parquet"
    copy.write_bytes(tiny_tasks["chess-blunder"].read_bytes())

    def after():
        study = tiny_study()
        block = study.comparisons[0].model_copy(update={"data": str(copy)})
        return make_plan(study.model_copy(update={"comparisons": (block,)})).cells[0]

    assert after().result.key == before.result.key  # the same bytes at another place are the same rows
    copy.write_bytes(copy.read_bytes() + b" ")
    assert after().source.key != before.source.key
    assert after().result.key != before.result.key


def test_tuning_runs_see_no_seed_and_serve_every_role_of_a_model(tiny_study):
    plan = make_plan(tiny_study(training={"lr": "tune"}, methods=["naive", "confidence"], seeds=(0, 1)))
    tunes = {step.key: step for step in closure(plan.targets).values() if step.kind == "tune"}
    assert len(tunes) == 2  # one a model
    for cell in plan.cells:
        assert cell.result.inputs["tune"].key == cell.ceiling.inputs["tune"].key != cell.weak.inputs["tune"].key
        runs = cell.result.inputs["tune"].inputs.values()
        assert sorted(run.spec["lr"] for run in runs) == sorted(LEARNING_RATES["ladder"])
        assert all(run.spec["train"]["splits"] == ["tune_fit"] and run.spec["splits"] == {} for run in runs)
        assert "lr" not in cell.result.spec


@pytest.mark.parametrize(("stop", "labels"), [("weak", "weak"), ("truth", "truth")])
def test_stopping_watches_what_the_study_says(tiny_study, stop, labels):
    rows = {"supervisor_validation": 16, "student_validation": 16}
    (cell,) = make_plan(tiny_study(training={"stop": stop}, rows=rows)).cells
    told = {"checks": 10, "split": "student_validation"}
    assert cell.weak.spec["validation"] == told | {"split": "supervisor_validation", "labels": "truth"}
    assert cell.result.spec["validation"] == told | {"labels": labels}
    assert cell.ceiling.spec["validation"] == told | {"labels": "truth"}
    assert ("labels_student_validation" in cell.result.inputs) is (stop == "weak")


def test_targets_come_with_the_longest_chain_first(tiny_study):
    plan = make_plan(tiny_study(methods=["bootstrapping"], students=["tiny-12", "tiny-16"]))
    assert plan.targets[0].key == plan.cells[0].result.key
    assert plan.targets[-1].kind == "task"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["naiv"]}, "unknown method 'naiv': did you mean naive"),
        ({"students": ["tiny16"]}, "unknown model 'tiny16': did you mean tiny-16"),
        ({"supervisors": ["tiny-88"]}, "unknown model 'tiny-88': did you mean tiny-8"),
        ({"supervisors": [{"name": "crowd", "path": "absent.jsonl"}]}, "label file absent.jsonl of crowd"),
    ],
    ids=str,
)
def test_names_that_do_not_exist_are_refused_before_anything_runs(tiny_study, changes, message):
    with pytest.raises(UsageError, match=message):
        make_plan(tiny_study(**changes))


def test_tasks_and_files_that_do_not_exist_are_refused(tiny_study):
    study = tiny_study()

    def planned(**update):
        block = study.comparisons[0].model_copy(update=update)
        return make_plan(study.model_copy(update={"comparisons": (block,)}))

    with pytest.raises(UsageError, match="unknown task 'chess-puzle': did you mean chess-puzzle"):
        planned(task="chess-puzle")
    with pytest.raises(UsageError, match=r"chess-blunder has no file absent\.parquet"):
        planned(data="absent.parquet")
    with pytest.raises(UsageError, match="lichess-puzzle is not shipped: name its file under data"):
        planned(task="lichess-puzzle", data=None)
    with pytest.raises(UsageError, match="confidence-release needs the same classes in every row; chess-puzzle"):
        planned(task="chess-puzzle", methods=("confidence-release",))
