"""What changes numbers changes keys, field by field; what cannot change numbers changes none."""

import json
from dataclasses import asdict, fields, replace

import pytest

from outgrow.dag.step import closure
from outgrow.dag.work import Order, Runtime
from outgrow.plan import make_plan
from outgrow.spec import Comparison, LabelFile, Rows, Study, Training

EVERYTHING = {
    "methods": ("bootstrapping",),
    "students": ("tiny-12", "tiny-16"),
    "rows": {"supervisor_validation": 16, "student_validation": 16},
    "training": {"stop": "weak", "lr": "tune"},
}
"""A study in which every field of rows and training has a use."""
NUMBER_OF_TRAINING = {"training": {"lr": 0.01}}

CHANGES = {
    (Study, "seeds"): {"seeds": (1,)},
    (Study, "keep_students"): {"keep_students": True},
    (Rows, "supervisor"): {"rows": {"supervisor": 32}},
    (Rows, "supervisor_validation"): {"rows": {"supervisor_validation": 20}},
    (Rows, "student"): {"rows": {"student": 32}},
    (Rows, "student_validation"): {"rows": {"student_validation": 20}},
    (Rows, "link"): {"rows": {"link": 16}},
    (Rows, "test"): {"rows": {"test": 40}},
    (Rows, "tune"): {"rows": {"tune": 20}},
    (Rows, "pool"): {"rows": {"pool": 300}},
    (Training, "epochs"): {"training": {"epochs": 3}},
    (Training, "batch"): {"training": {"batch": 8}},
    (Training, "lr"): {"training": {"lr": 0.02}},
    (Training, "tune_seeds"): {"training": {"tune_seeds": 2}},
    (Training, "weight_decay"): {"training": {"weight_decay": 0.1}},
    (Training, "warmup"): {"training": {"warmup": 0.2}},
    (Training, "stop"): {"training": {"stop": "truth"}},
    (Training, "checks"): {"training": {"checks": 3}},
    (Training, "lr_grid"): {"training": {"lr_grid": (0.01, 0.02)}},
    (Training, "precision"): {"training": {"precision": "bf16"}},
    (Training, "tuning"): {"training": {"tuning": "lora"}},
    (Training, "max_tokens"): {"training": {"max_tokens": 32}},
    (Training, "dropout"): {"training": {"dropout": 0.1}},
    (Training, "ema"): {"training": {"ema": 0.5}},
    (Training, "curve"): {"training": {"curve": 2}},
    (Training, "checkpointing"): {"training": {"checkpointing": True}},
    (Comparison, "task"): {"task": "chess-puzzle"},
    (Comparison, "supervisors"): {"supervisors": ("tiny-12",), "methods": ("naive",)},
    (Comparison, "students"): {"students": ("tiny-12",), "methods": ("naive",)},
    (Comparison, "methods"): {"methods": ("confidence",)},
}
EXEMPT = {
    (Study, "name"): "for people",
    (Study, "about"): "for people",
    (Study, "rows"): "its fields are tested one by one",
    (Study, "training"): "its fields are tested one by one",
    (Study, "comparisons"): "its fields are tested one by one",
    (Comparison, "rows"): "a block's own rows are tested below",
    (Comparison, "training"): "a block's own training is tested below",
    (Comparison, "data"): "it counts by content: tested below",
    (LabelFile, "name"): "for people",
    (LabelFile, "path"): "it counts by content: tested below",
    (Training, "chat_template"): "only where prompts are dialogues: tested with the templates",
    (Study, "models"): "names of models: they count by their files, or by hub name and revision",
    (Study, "data_dir"): "it counts by content: tested with the readers of rows",
    (Study, "tasks"): "a task of one's own counts by what it says: tested with own tasks",
    (Comparison, "label"): "for people",
}
OF_TEXT = {
    (Training, "head"): ({}, {"training": {"head": "zero"}}),
    (Training, "l2"): ({"training": {"tuning": "probe"}}, {"training": {"l2": 0.5}}),
    (Training, "lora_rank"): ({"training": {"tuning": "lora"}}, {"training": {"lora_rank": 4}}),
    (Training, "lora_alpha"): ({"training": {"tuning": "lora"}}, {"training": {"lora_alpha": 4.0}}),
    (Training, "generative_lr"): ({"methods": ("generative",)}, {"training": {"generative_lr": 0.1}}),
    (Training, "generative_epochs"): ({"methods": ("generative",)}, {"training": {"generative_epochs": 2}}),
}
"""Fields that have a use on text: the study in which they have it, and the change."""


def keys(study):
    return set(closure(make_plan(study).targets))


def merged(first, second):
    return first | {
        name: first[name] | value if isinstance(value, dict) and name in first else value
        for name, value in second.items()
    }


def test_every_field_is_changed_or_exempt_for_a_reason():
    named = {(table, name) for table in (Study, Rows, Training, Comparison, LabelFile) for name in table.model_fields}
    elsewhere = {(Comparison, "test_on")}  # below, as it adds cells
    assert named == {*CHANGES, *EXEMPT, *OF_TEXT, *elsewhere}
    assert len(named) == len(CHANGES) + len(EXEMPT) + len(OF_TEXT) + len(elsewhere)


@pytest.mark.parametrize("field", CHANGES, ids=lambda field: f"{field[0].__name__}.{field[1]}")
def test_a_field_that_changes_numbers_changes_keys(tiny_study, field):
    change = dict(CHANGES[field])
    task = change.pop("task", "chess-blunder")
    before, after = tiny_study(**EVERYTHING), tiny_study(task, **merged(EVERYTHING, change))
    cells_before, cells_after = make_plan(before).cells, make_plan(after).cells
    assert {cell.result.key for cell in cells_before}.isdisjoint({cell.result.key for cell in cells_after})


@pytest.mark.parametrize("field", OF_TEXT, ids=lambda field: f"{field[0].__name__}.{field[1]}")
def test_a_field_that_changes_numbers_of_text_studies_changes_keys(text_study, field):
    base, change = OF_TEXT[field]
    before, after = (make_plan(text_study(**each)).cells for each in (base, merged(base, change)))
    assert {cell.result.key for cell in before}.isdisjoint({cell.result.key for cell in after})


def test_testing_elsewhere_keeps_the_students_it_tests(text_study):
    study = text_study()
    block = study.comparisons[0].model_copy(update={"test_on": ("openbookqa",)})
    cells = make_plan(study.model_copy(update={"comparisons": (block,)})).cells
    assert [cell.task for cell in cells] == ["sst2", "sst2 on openbookqa"]
    assert cells[0].result.spec["keep_weights"]
    assert not make_plan(study).cells[0].result.spec["keep_weights"]


def test_what_is_for_people_changes_no_key(tiny_study):
    assert keys(tiny_study(**EVERYTHING)) == keys(tiny_study(**EVERYTHING, name="another", about="something else"))


@pytest.mark.parametrize(
    ("name", "value"), [("rows", Rows(supervisor=32, student=48, test=60, tune=40)), ("training", Training(epochs=5))]
)
def test_what_a_block_says_for_itself_changes_keys(tiny_study, name, value):
    study = tiny_study(**NUMBER_OF_TRAINING)
    block = study.comparisons[0].model_copy(update={name: value})
    changed = study.model_copy(update={"comparisons": (block,)})
    assert make_plan(study).cells[0].result.key != make_plan(changed).cells[0].result.key


def test_data_and_label_files_count_by_content_not_by_place(tiny_study, tmp_path):
    def plan_of(data, labels):
        study = tiny_study(**NUMBER_OF_TRAINING)
        update = {"data": str(data), "supervisors": (LabelFile(name="people", path=str(labels)),)}
        return keys(study.model_copy(update={"comparisons": (study.comparisons[0].model_copy(update=update),)}))

    contents = {"a": b"rows", "b": b"rows", "c": b"other rows"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (tmp_path / name for name in contents)
    assert plan_of(a, a) == plan_of(b, b)
    assert not plan_of(a, a) & plan_of(c, a)
    assert plan_of(a, a) != plan_of(a, c)


@pytest.mark.parametrize("field", [field.name for field in fields(Runtime)])
def test_no_field_of_the_runtime_is_in_an_order(tiny_study, field):
    """A key is made from a step, which knows no runtime; what travels beside it must not carry one either."""
    for step in closure(make_plan(tiny_study(**EVERYTHING)).targets).values():
        plain = json.dumps([step.identity, asdict(Order.of(step))])
        assert f'"{field}"' not in plain


@pytest.mark.parametrize("change", [{"jobs": 2}, {"threads": 2}, {"device": "cuda"}, {"gpus": 2}], ids=str)
def test_a_changed_runtime_finds_everything_cached(tiny_study, store, change):
    from outgrow.dag.scheduler import run_graph

    assert {*change} <= {field.name for field in fields(Runtime)}
    task = make_plan(tiny_study()).cells[0].source
    assert run_graph([task], store=store, runtime=Runtime()).count("built") == 1
    assert run_graph([task], store=store, runtime=replace(Runtime(), **change)).count("cached") == 1


def test_every_field_of_the_runtime_is_tried():
    assert {field.name for field in fields(Runtime)} == {"jobs", "threads", "device", "gpus"}
