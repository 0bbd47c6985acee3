"""Studies from YAML: what is meant is understood, what is wrong is named with a remedy."""

import pytest
import yaml

from outgrow.errors import UsageError
from outgrow.spec import Rows, Study, Training
from outgrow.study_file import built_in_studies, load_study

STUDY = {
    "name": "small",
    "comparisons": [
        {"task": "chess-puzzle", "supervisors": ["25k"], "students": ["0.1M"], "methods": ["naive"]},
    ],
}


@pytest.fixture
def load(tmp_path):
    """Return a function that writes a study, changed at the top, and loads it."""

    def written_and_loaded(*overrides, text=None, **changes):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(STUDY | changes) if text is None else text, encoding="utf-8")
        return load_study(path, overrides)

    return written_and_loaded


def test_a_study_is_read_with_defaults(load):
    study = load(rows={"student": 7})
    assert study == Study.model_validate(STUDY | {"rows": {"student": 7}})
    assert (study.rows.student, study.rows.supervisor, study.seeds) == (7, 1_000, (0, 1, 2))


def test_built_in_studies_load_by_name():
    assert {"chess-tiny", "chess-quick", "chess"} <= set(built_in_studies())
    for name in built_in_studies():
        assert load_study(name).name == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sedes": [1]}, "unknown key 'sedes': did you mean seeds"),
        ({"rows": {"studnt": 3}}, "rows: unknown key 'studnt': did you mean student"),
        ({"training": {"epoch": 3}}, "training: unknown key 'epoch': did you mean epochs"),
        ({"Rows": {}}, "unknown key 'Rows': did you mean rows"),
        (
            {"comparisons": [STUDY["comparisons"][0] | {"method": ["naive"]}]},
            "comparisons.0: unknown key 'method': did you mean methods",
        ),
        (
            {"comparisons": [STUDY["comparisons"][0] | {"supervisors": [{"name": "x", "pth": "y"}]}]},
            "supervisors.0: unknown key 'pth': did you mean path",
        ),
        ({"seeds": [0, -1]}, r"seeds.1: .*greater than or equal to 0 \(got -1\)"),
        ({"seeds": [1, 1]}, "seeds: a seed is named twice"),
        ({"seeds": []}, "seeds: .*at least 1"),
        ({"seeds": [True]}, r"seeds.0: .*integer \(got True\)"),
        ({"seeds": [1.5]}, "seeds.0: .*integer"),
        ({"rows": {"student": 0}}, "rows.student: .*greater than 0"),
        ({"training": {"lr": "fast"}}, "training.lr: .*'default' or 'tune'"),
        ({"training": {"lr": 0}}, "training.lr: .*greater than 0"),
        ({"training": {"lr": float("inf")}}, "training.lr: .*finite"),
        ({"training": {"warmup": 1.0}}, "training.warmup: .*less than 1"),
        ({"training": {"precision": "fp16"}}, "training.precision: .*fp32"),
        ({"training": {"stop": "early"}}, "training.stop: .*'last', 'weak' or 'truth'"),
        ({"training": {"stop": "weak"}}, "rows.supervisor_validation and rows.student_validation must be above 0"),
        (
            {"training": {"stop": "truth"}, "rows": {"student_validation": 10}},
            "rows.supervisor_validation and rows.student_validation must be above 0",
        ),
        ({"name": "../elsewhere"}, "name: "),
        ({"comparisons": []}, "comparisons: .*at least 1"),
        ({"comparisons": [{"task": "chess-puzzle"}]}, "comparisons.0.supervisors: Field required"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(load, changes, message):
    with pytest.raises(UsageError, match=message):
        load(**changes)


def test_only_what_is_wrong_is_named(load):
    with pytest.raises(UsageError) as caught:
        load(seeds=[0, -1])
    assert str(caught.value).count(";") == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not YAML"),
        ("just words", "must be a mapping"),
        ("", "must be a mapping"),
        ("- a\n- b", "must be a mapping"),
        ("name: x\nabout: \x00", "is not YAML"),
    ],
)
def test_a_file_that_is_no_study_is_refused(load, text, message):
    with pytest.raises(UsageError, match=message):
        load(text=text)


def test_a_study_that_does_not_exist_is_refused_with_the_nearest_names(tmp_path):
    with pytest.raises(UsageError, match=r"did you mean .*chess-quick"):
        load_study("ches-quick")
    with pytest.raises(UsageError, match="there is no study file"):
        load_study(tmp_path / "absent.yaml")


@pytest.mark.parametrize("text", ["1e-5", "1.0e-5", "0.00001", '"1e-5"'])
def test_a_learning_rate_is_a_number_however_it_is_written(load, text):
    assert load(text=yaml.safe_dump(STUDY) + f"training: {{lr: {text}}}\n").training.lr == 1e-5
    assert load(f"training.lr={text}").training.lr == 1e-5


def test_a_number_written_as_an_integer_or_a_float_is_one_specification():
    assert Training(weight_decay=0, lr=1).plain() == Training(weight_decay=0.0, lr=1.0).plain()
    assert type(Training(weight_decay=0).plain()["weight_decay"]) is float


def test_overrides_reach_into_mappings_and_lists(load):
    study = load("rows.test=9", "seeds=[4, 5]", "comparisons.0.methods.0=confidence", "comparisons.0.data=some.csv")
    assert (study.rows.test, study.seeds) == (9, (4, 5))
    assert (study.comparisons[0].methods, study.comparisons[0].data) == (("confidence",), "some.csv")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rows.test", "write it as a.b=value"),
        ("=3", "write it as a.b=value"),
        ("rows.tset=3", "rows: unknown key 'tset': did you mean test"),
        ("comparisons.1.methods=[naive]", "'1' is not one of the places 0 to 0"),
        ("comparisons.first.methods=[naive]", "'first' is not one of the places"),
        ("name.first=x", "is not a mapping"),
        ("name.first.second=x", "is not a mapping"),
        ("seeds=[1", "the value is not YAML"),
        (".seeds=1", "unknown key"),
    ],
)
def test_an_override_that_fits_nowhere_is_refused(load, override, message):
    with pytest.raises(UsageError, match=message):
        load(override)


def test_specs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Rows().student = 3


def test_splits_come_in_a_fixed_order_and_links_last():
    rows = Rows(supervisor=4, student=5, student_validation=2)
    assert list(rows.split_sizes(0).items()) == [("supervisor", 4), ("student", 5), ("student_validation", 2)]
    with_links = list(rows.split_sizes(2).items())
    assert with_links[:3] == list(rows.split_sizes(0).items())
    assert with_links[3:] == [("link_1", 5), ("link_2", 5)]
    assert Rows(link=3).split_sizes(1)["link_1"] == 3
