"""A preference task of the user's own: columns to compare, any number of them; what is wrong is named."""

import json

import pytest

from outgrow.errors import StepError, UsageError
from outgrow.spec import OwnTask
from outgrow.tasks import Where, find_task, task_of

PAIRS = {
    "name": "my-pairs",
    "text": "Q: {prompt}\nA:",
    "chosen": "good",
    "rejected": ("bad", "worse"),
    "group": ("topic", "author"),
}
ARENA = {
    "name": "arena",
    "text": "{prompt}",
    "options": ("a", "b"),
    "answer": "winner",
    "classes": ("model_a", "model_b"),
    "compare": True,
}
ROW = {"prompt": "Why?", "good": "Because.", "bad": "No.", "worse": "", "topic": "x", "author": "m"}


def task_from(tmp_path, block, *found):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    own = OwnTask(**block, files=(str(path),))
    return own, find_task(own.name, [own])


def read(tmp_path, block, *found):
    return task_from(tmp_path, block, *found)[1].rows()


def test_columns_become_a_prompt_and_completions_that_differ_in_number(tmp_path):
    own, task = task_from(tmp_path, PAIRS, ROW, ROW | {"prompt": "How?", "worse": "Never.", "topic": "y"})
    found = task.rows().examples
    assert (task.family, task.head, task.shared, task.options()) == ("preference", "reward", False, ("1", "2", "3"))
    assert found.texts == ("Q: Why?\nA:", "Q: How?\nA:")
    assert [sorted(each) for each in found.completions] == [[" Because.", " No."], [" Because.", " Never.", " No."]]
    assert [found.completions[i][truth] for i, truth in enumerate(found.truth_N)] == [" Because.", " Because."]
    assert found.groups[0] == found.groups[1]  # one author
    assert own.plain()["chosen"] == "good"


def test_rows_without_a_shared_value_at_the_same_place_are_apart(tmp_path):
    found = read(tmp_path, PAIRS, ROW, ROW | {"prompt": "How?", "topic": "m", "author": "x"}).examples
    assert found.groups[0] != found.groups[1]
    twice = read(tmp_path, PAIRS, ROW, ROW | {"topic": "z", "author": "n", "bad": "Hm."}).examples
    assert twice.groups[0] == twice.groups[1]  # one prompt


def test_the_better_of_two_may_be_named_by_a_column(tmp_path):
    rows = [{"prompt": f"p{i}", "a": "one", "b": "two", "winner": who} for i, who in enumerate(("model_a", "model_b"))]
    found = read(tmp_path, ARENA, *rows, rows[0] | {"winner": None})
    assert [found.examples.completions[i][truth] for i, truth in enumerate(found.examples.truth_N)] == [" one", " two"]
    assert found.skipped == {"no label": 1}


def test_lists_of_messages_are_dialogues(tmp_path):
    asked = [{"role": "user", "content": "Why?"}]
    row = {
        "prompt": asked,
        "good": [*asked, {"role": "assistant", "content": "So."}],
        "bad": [*asked, {"role": "assistant", "content": "No."}],
        "topic": "x",
    }
    block = {**PAIRS, "text": "{prompt}", "rejected": ("bad",), "group": ("topic",)}
    own, task = task_from(tmp_path, block, row)
    found = task.rows().examples
    assert found.texts == ("\n\nHuman: Why?\n\nAssistant:",)
    assert found.completions[0][found.truth_N[0]] == " So."
    assert task.options() == ("first", "second")
    spec = json.loads(json.dumps({"task": own.name, "own": own.plain()}))
    located = task.locate(Where())
    assert task_of(spec).read(spec | located.spec, located.places).examples.texts == found.texts


def test_the_order_of_completions_tells_nothing(tmp_path):
    rows = [ROW | {"prompt": f"p{i}", "topic": f"t{i}", "author": f"a{i}"} for i in range(200)]
    truth_N = read(tmp_path, PAIRS, *rows).examples.truth_N
    assert 70 < int((truth_N == 0).sum()) < 130


def test_rows_that_make_no_comparison_are_counted(tmp_path):
    found = read(tmp_path, PAIRS, ROW, ROW | {"bad": " "}, ROW | {"good": ""}, ROW | {"bad": "Because."})
    assert found.skipped == {"only one completion": 1, "empty completion": 1, "equal completions": 1}
    assert len(found.examples) == 1


@pytest.mark.parametrize(
    ("block", "row", "message"),
    [
        (PAIRS, ROW | {"bad": {"text": "No."}}, r"row 2: the column bad is \{'text': 'No.'\}, not a text or a list of"),
        (PAIRS, ROW | {"prompt": [{"role": "user"}]}, "a list of messages needs the template {prompt} alone"),
        (PAIRS | {"text": "{prompt}"}, ROW | {"prompt": [{"role": "user"}]}, "not a text or a list of messages, each"),
        (PAIRS | {"text": "{prompt}"}, ROW | {"prompt": [{"role": "tool", "content": "x"}]}, "a role of user, assi"),
        (PAIRS, {name: value for name, value in ROW.items() if name != "bad"}, "the column bad is not there"),
        (ARENA, {"prompt": "p", "a": "x", "b": "y", "winner": "tie"}, "the column winner is 'tie', not one of model_a"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, block, row, message):
    fine = ROW | {"a": "x", "b": "y", "winner": "model_a"}  # what is planned by the first row fails at another
    with pytest.raises(StepError, match=message):
        read(tmp_path, block, fine, row)


def test_texts_may_lie_in_a_list(tmp_path):
    listed = PAIRS | {"rejected": ("bad",), "most_options": 4}
    own, task = task_from(tmp_path, listed, ROW | {"bad": ["No.", "Never.", "Hm."]}, ROW | {"prompt": "How?"})
    found = task.rows().examples
    assert task.options() == ("1", "2", "3", "4")
    assert [len(each) for each in found.completions] == [4, 2]
    with pytest.raises(StepError, match="row 1 has 5 completions, the task has at most 4"):
        read(tmp_path, listed, ROW | {"bad": ["No.", "Never.", "Hm.", "Ah."]})
    with pytest.raises(StepError, match="the column bad is"):
        read(tmp_path, PAIRS, ROW | {"bad": ["No."]})
    ranked = {"name": "r", "text": "{q}", "options": ("all",), "answer": "best", "compare": True, "most_options": 3}
    rows = read(
        tmp_path, ranked, {"q": "Q", "all": ["a", "b", "c"], "best": 1}, {"q": "P", "all": ["a", "b"], "best": 0}
    )
    assert [rows.examples.completions[i][t] for i, t in enumerate(rows.examples.truth_N)] == [" b", " a"]
    assert own.plain()["most_options"] == 4


def test_a_column_that_is_not_there_is_named_when_the_study_is_planned(tmp_path):
    _, task = task_from(tmp_path, PAIRS, {"prompt": "p", "good": "g", "bad": "b", "topic": "x", "author": "m"})
    with pytest.raises(UsageError, match="no column worse: its columns are prompt, good"):
        task.locate(Where())


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (PAIRS | {"rejected": ()}, "either label and classes, or options and answer, or chosen and rejected"),
        (PAIRS | {"label": "gold"}, "either label and classes, or options and answer, or chosen and rejected"),
        (PAIRS | {"text": "{good}"}, "text names the column of the label"),
        (PAIRS | {"text": "{prompt} {option}"}, "text is what all options follow"),
        (PAIRS | {"rejected": ("bad", "bad")}, "named twice"),
        (PAIRS | {"classes": ("a", "b")}, "preferences have no use for classes"),
        (PAIRS | {"instruction": "Which?"}, "preferences have no use for instruction"),
        (PAIRS | {"max_new_tokens": 3}, "free text"),
        (ARENA | {"options": ("a",)}, "a column for every option, or most_options"),
        (
            ARENA | {"classes": ("model_a", "model_b", "tie")},
            "classes must name a value of winner",
        ),
        (ARENA | {"classes": (0, 0)}, "classes must name a value of winner"),
        (
            PAIRS | {"most_options": 3, "chosen": "", "rejected": (), "label": "l", "classes": (0, 1)},
            "is for preferences",
        ),
        (ARENA | {"options": (), "answer": "", "label": "x"}, "compare is for options and answer"),
    ],
)
def test_a_block_that_makes_no_task_is_refused(block, message):
    with pytest.raises(ValueError, match=message):
        OwnTask(**block)


def test_keys_of_other_tasks_do_not_know_of_preferences():
    plain = OwnTask(name="x", text="{a}", label="b", classes=("c", "d")).plain()
    assert not {"compare", "chosen", "rejected"} & set(plain)
