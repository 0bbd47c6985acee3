"""A task of the user's own: columns, template, classes or options; what is wrong is named."""

import json

import pytest

from outgrow.errors import StepError, UsageError
from outgrow.spec import OwnTask, Study
from outgrow.tasks import Where, find_task, task_of
from outgrow.tasks.own import filled

NLI = {
    "name": "my-nli",
    "text": "{premise} / {hypothesis}",
    "label": "gold",
    "classes": ("contradicts", "follows"),
    "group": ("premise",),
}
QUIZ = {"name": "quiz", "text": "{question}\n{option}", "options": ("a", "b", "c"), "answer": "key"}


def rows(tmp_path, *found, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(path)


def read(tmp_path, block, *found):
    own = OwnTask(**block, files=(rows(tmp_path, *found),))
    return find_task(own.name, [own]).rows()


PAIRS = (
    {"premise": "It rains.", "hypothesis": "It is wet.", "gold": "follows"},
    {"premise": "It rains.", "hypothesis": "It is dry.", "gold": "contradicts"},
    {"premise": "Snow {falls} {0.real}.", "hypothesis": "{premise}", "gold": "follows"},
)


def test_columns_become_texts_classes_and_groups(tmp_path):
    found = read(tmp_path, NLI, *PAIRS)
    assert found.every.texts[0] == "It rains. / It is wet."
    assert found.every.truth_N.tolist() == [1, 0, 1]
    assert found.every.groups[0] == found.every.groups[1] != found.every.groups[2]
    # What stands in a value is never read as a template.
    assert found.every.texts[2] == "Snow {falls} {0.real}. / {premise}"


def test_braces_are_written_twice():
    assert filled("{{{a}}} {{b}}", {"a": 1}) == "{1} {b}"


QUESTION = {"question": "Which?", "a": "one", "b": "two", "c": "three"}


@pytest.mark.parametrize("key", ["two", "b", 1, "1"])
def test_the_right_option_is_named_by_text_column_or_number(tmp_path, key):
    found = read(tmp_path, QUIZ, QUESTION | {"key": key})
    assert found.every.texts == ("Which?\none", "Which?\ntwo", "Which?\nthree")
    assert found.every.truth_N.tolist() == [0, 1, 0]
    assert len(found.examples) == 2
    assert len(set(found.questions)) == 1


def test_options_may_be_a_list_and_keys_letters(tmp_path):
    block = QUIZ | {"options": ("choices",), "classes": ("A", "B")}
    found = read(tmp_path, block, {"question": "Which?", "choices": ["one", "two"], "key": "B"})
    assert found.every.truth_N.tolist() == [0, 1]


def test_a_worker_makes_the_same_task_of_the_steps_spec(tmp_path):
    own = OwnTask(**NLI, files=(rows(tmp_path, *PAIRS),), about="Said to people.", instruction="Does it follow?")
    task = find_task("my-nli", [own])
    located = task.locate(Where())
    spec = json.loads(json.dumps({"task": own.name, "own": own.plain(), **located.spec}))
    assert str(tmp_path) not in json.dumps(spec)
    again = task_of(spec).read(spec, located.places)
    assert again.every.texts == task.rows().every.texts
    assert task_of(spec).options() == ("contradicts", "follows")
    assert task_of(spec).instruction == task.instruction == "Does it follow?"
    assert own.model_copy(update={"about": "Said otherwise."}).plain() == own.plain()  # words to people change no key


def test_three_classes_are_three_options(tmp_path):
    block = {"name": "three", "text": "{t}", "label": "y", "classes": (0, 1, 2)}
    found = read(tmp_path, block, {"t": "x", "y": 2}, {"t": "z", "y": 0})
    assert found.every.truth_N.tolist() == [2, 0]
    task = find_task("three", [OwnTask(**block)])
    assert task.options() == task.verbalizer == ("0", "1", "2")


@pytest.mark.parametrize(
    ("block", "row", "message"),
    [
        (
            NLI,
            {"premise": "P", "hypothesis": "H", "gold": "so"},
            "row 1: the column gold is 'so', not one of con",
        ),
        (
            NLI,
            {"premise": ["P"], "hypothesis": "H", "gold": "follows"},
            r"the column premise is \['P'\], not a text",
        ),
        (
            QUIZ,
            QUESTION | {"key": 3},
            "the column key is 3, not the text of one answer or its number from 0 to 2",
        ),
        (
            QUIZ | {"options": ("a",)},
            QUESTION | {"key": 0, "a": ["x"]},
            r"the column a is \['x'\], not a list of",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, block, row, message):
    with pytest.raises(StepError, match=message):
        read(tmp_path, block, row)


def test_a_column_that_is_not_there_is_named_when_the_study_is_planned(tmp_path):
    own = OwnTask(**NLI, files=(rows(tmp_path, {"premise": "P", "claim": "H", "gold": "follows"}),))
    with pytest.raises(UsageError, match="no column hypothesis: its columns are premise, claim, gold"):
        find_task("my-nli", [own]).locate(Where())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "{premise.__class__}"}, "write a column as {name}"),
        ({"text": "{premise[0]}"}, "write a column as {name}"),
        ({"text": "{premise!r}"}, "write a column as {name}"),
        ({"text": "{premise"}, "write a column as {name}"),
        ({"text": "premise"}, "text names no column"),
        ({"text": "{premise} {gold}"}, "text names the column of the label"),
        ({"text": "{premise} {option}"}, "text must have {option} if it has options"),
        ({"classes": ("one",)}, "classes must name at least two values"),
        ({"answer": "gold"}, "either label and classes, or options and answer"),
        ({"verbalizer": ("0",)}, "verbalizer must name a token for each"),
        ({"name": "My task"}, "pattern"),
    ],
)
def test_a_block_that_makes_no_task_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        OwnTask(**NLI | change)


def test_a_study_says_where_rows_are_from_and_names_each_task_once(tmp_path):
    block = {"task": "my-nli", "supervisors": ["a"], "students": ["b"], "methods": ["naive"]}

    def study(*tasks):
        return Study(name="s", tasks=tasks, comparisons=(block,))

    with pytest.raises(ValueError, match="my-nli needs either files or hub"):
        study(NLI)
    with pytest.raises(ValueError, match="the same name"):
        study(NLI | {"files": ("x",)}, NLI | {"files": ("y",)})
    assert study(NLI | {"files": ("x",)}).tasks[0].name == "my-nli"
    with pytest.raises(UsageError, match="cola has the name of a built-in one"):
        find_task("cola", [OwnTask(**NLI | {"name": "cola"})])
    with pytest.raises(UsageError, match="did you mean my-nli"):
        find_task("my-nil", [OwnTask(**NLI)])
