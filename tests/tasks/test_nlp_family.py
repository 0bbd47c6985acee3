"""The text sets: no text tells its label, nothing that belongs together is cut, right and wrong come in pairs."""

from collections import Counter

import numpy as np
import pytest

from outgrow.errors import StepError
from outgrow.tasks import TASKS
from outgrow.tasks.grouping import groups_of, neighbours, phrase_kin
from outgrow.tasks.nlp import SETS
from outgrow.tasks.rows import StoredRow
from outgrow.tasks.sets import ANY, NO_LABEL, SAME_ANSWERS
from outgrow.tasks.shortcuts import shortcut_accuracy

BY_NAME = {each.name: each for each in SETS}
NAMES = sorted(BY_NAME)
CHOICE = sorted(name for name, each in BY_NAME.items() if each.answers)
WORDS = "river stone green walks seldom under lamp never because tiger music when bright seven door. paper, glass! sea;"
LETTERS = ("A", "B", "C", "D")
VALUES = {
    "boolq": ("answer", (False, True)),
    "anli_r2": ("label", (0, 1, 2)),
    "cosmos_qa": ("label", range(4)),
    "hellaswag": ("label", ("0", "1", "2", "3")),
    "quail": ("correct_answer_id", range(4)),
    "social_i_qa": ("label", ("1", "2", "3")),
    "openbookqa": ("answerKey", LETTERS),
    "quartz": ("answerKey", LETTERS),
}
"""The label of each set and its values, where they are not 0 and 1 in the column label."""


def text(rng):
    return " ".join(rng.choice(WORDS.split(), rng.integers(3, 12)))


def generated(name, rng):
    """Return a row in the hub's columns, in which the label has nothing to do with the rest."""
    row = {}
    for column, kind in BY_NAME[name].columns.items():
        if kind is list:
            row[column] = [text(rng) for _ in range(4)]
        elif kind is dict:
            row[column] = {"text": [text(rng) for _ in LETTERS], "label": list(LETTERS)}
        else:
            row[column] = text(rng)
    return row | labelled(name, row, rng.integers(12))


def labelled(name, row, number):
    """Return the columns that hold the row's label, for the label of this number."""
    if name == "dream":
        return {"answer": row["choice"][number % 4]}
    if name == "sciq":
        names = BY_NAME[name].label
        texts = sorted(row[each] for each in names)
        return dict(zip(names, [texts[number % 4], *texts[: number % 4], *texts[number % 4 + 1 :]], strict=True))
    if name == "ethics_utilitarianism":
        pair = sorted((row["baseline"], row["less_pleasant"]))
        return {"baseline": pair[number % 2], "less_pleasant": pair[1 - number % 2]}
    column, values = VALUES.get(name, ("label", (0, 1)))
    return {column: values[number % len(values)]}


def stored(rows, split="train"):
    return [StoredRow(split, i, f"file, row {i}", row) for i, row in enumerate(rows, start=1)]


def test_the_papers_22_sets_are_there_and_one_more():
    assert len(SETS) == 23
    assert {name for name, each in BY_NAME.items() if each.verified} == {
        *("cola", "dream", "ethics_deontology", "ethics_justice", "mctaco", "multirc", "openbookqa", "sst2", "wic")
    }
    for name in NAMES:
        task = TASKS[name]
        assert (task.family, task.head, task.shared, task.balanced) == ("nlp", "class", True, True)
        assert len(task.options()) == len(task.verbalizer) == len(task.words) == 2
        assert task.natural == ("question" if name in CHOICE else "accuracy")
        assert task.instruction


@pytest.mark.parametrize("name", NAMES)
def test_another_label_gives_the_same_texts(name, rng):
    for _ in range(5):
        row = generated(name, rng)
        seen, truths = set(), set()
        for number in range(12):
            rows = BY_NAME[name].rows(stored([row | labelled(name, row, number)]))
            seen.add(rows.every.texts)
            truths.add(tuple(rows.every.truth_N.tolist()))
        assert len(seen) == 1
        assert len(truths) > 1


@pytest.mark.parametrize("name", NAMES)
def test_every_text_says_all_that_the_row_does_but_the_label(name, rng):
    text_set, row = BY_NAME[name], generated(name, rng)
    told = {"id", "dialogue_id", "context_id", "source_id"}
    fields = [c for c, kind in text_set.columns.items() if kind is str and c not in (*text_set.label, *told)]
    if text_set.answers:
        fields = [c for c in fields if not c.startswith(("answer", "sol"))]
    for each in text_set.rows(stored([row])).every.texts:
        for column in fields:
            assert row[column].strip("?").lower() in each.lower(), column


@pytest.mark.parametrize("name", NAMES)
def test_form_tells_no_more_of_formatted_texts_than_of_raw_fields(name, rng):
    text_set = BY_NAME[name]
    rows = [generated(name, rng) for _ in range(1_200)]
    examples = text_set.rows(stored(rows)).examples
    raw = [" ".join(map(str, text_set.shown(rows[_number(each) - 1]).values())) for each in examples.ids]
    half = len(examples) // 2
    first, second = examples.take(examples.ids[:half]), examples.take(examples.ids[half:])

    def accuracy(texts):
        return shortcut_accuracy(_with(first, texts[:half]), _with(second, texts[half:]), num_options=2)

    assert accuracy(list(examples.texts)) <= max(accuracy(raw), 0.5) + 0.08


def _number(each):
    return int(each.partition("/")[0].rpartition("-")[2])


def _with(examples, texts):
    from dataclasses import replace

    return replace(examples, texts=tuple(texts))


def test_the_shortcut_baseline_finds_a_label_in_the_form(rng):
    rows = [generated("openbookqa", rng) for _ in range(600)]
    examples = BY_NAME["openbookqa"].rows(stored(rows)).examples
    letters = [
        f"{t[:20]} {'A' if y else 'a long answer'}" for t, y in zip(examples.texts, examples.truth_N, strict=True)
    ]
    leaky = _with(examples, letters)
    half = leaky.take(leaky.ids[:600]), leaky.take(leaky.ids[600:])
    assert shortcut_accuracy(*half, num_options=2) > 0.95


@pytest.mark.parametrize("name", CHOICE)
def test_a_question_gives_one_right_and_one_wrong_text_and_all_for_the_natural_figure(name, rng):
    rows = BY_NAME[name].rows(stored([generated(name, rng) for _ in range(200)]))
    question = dict(zip(rows.every.ids, rows.questions, strict=True))
    used = Counter((question[i], int(t)) for i, t in zip(rows.examples.ids, rows.examples.truth_N, strict=True))
    assert set(used.values()) == {1}
    assert len(used) == 400
    options = Counter(rows.questions)
    assert set(options.values()) <= {2, 3, 4}
    assert int(rows.every.truth_N.sum()) == 200
    if min(options.values()) > 2:  # the wrong one is drawn, not always the first
        assert len({i.rpartition("/")[2] for i in rows.examples.ids}) > 2
    again = BY_NAME[name].rows(stored([generated(name, np.random.default_rng(1)) for _ in range(3)], "train"))
    assert all(g in again.questions for g in again.every.groups)


def test_a_wrong_answer_is_never_the_right_text():
    row = {"goal": "to sleep", "sol1": "lie down", "sol2": "lie down", "label": 0}
    rows = BY_NAME["piqa"].rows(stored([row, row | {"sol2": "stand"}]))
    assert rows.skipped == {SAME_ANSWERS: 1}
    assert len(rows.examples) == 2


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("boolq", "passage"),
        ("cosmos_qa", "context"),
        ("dream", "dialogue_id"),
        ("ethics_deontology", "scenario"),
        ("ethics_utilitarianism", "baseline"),
        ("anli_r2", "premise"),
        ("hellaswag", "source_id"),
        ("multirc", "paragraph"),
        ("openbookqa", "question_stem"),
        ("paws", "sentence1"),
        ("piqa", "goal"),
        ("quail", "context_id"),
        ("quartz", "para"),
        ("sciq", "question"),
        ("social_i_qa", "context"),
        ("wic", "word"),
    ],
)
def test_rows_of_one_passage_are_one_group(name, shared, rng):
    rows = [generated(name, rng) for _ in range(6)]
    rows[4][shared] = rows[1][shared]
    groups = dict(zip((r := BY_NAME[name].rows(stored(rows))).questions, r.every.groups, strict=True))
    assert groups["train-5"] == groups["train-2"]
    assert len(set(groups.values())) == 5


def test_virtue_and_mctaco_share_a_part_of_their_text():
    virtue = [{"scenario": f"She helped him. [SEP] {trait}", "label": 0} for trait in ("kind", "rude")]
    assert len(set(BY_NAME["ethics_virtue"].rows(stored(virtue)).every.groups)) == 1
    row = {"sentence": "It rained.", "question": "How long?", "answer": "a day", "label": 1}
    rows = [row, row | {"answer": "a year"}, row | {"question": "How often?"}]
    groups = BY_NAME["mctaco"].rows(stored(rows)).every.groups
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_text_is_never_in_two_groups(name, rng):
    rows = [generated(name, rng) for _ in range(4)]
    every = BY_NAME[name].rows(stored([*rows, dict(rows[2])])).every
    by_text = {}
    for each, group in zip(every.texts, every.groups, strict=True):
        assert by_text.setdefault(each, group) == group


def test_rows_linked_through_others_are_one_group_named_by_the_first():
    keys = [["a"], ["b"], ["c", "b"], ["c", "a"], ["d"]]
    assert groups_of(keys, ["r0", "r1", "r2", "r3", "r4"]) == ["r0", "r0", "r0", "r0", "r4"]


def test_scenarios_written_together_are_linked_through_what_they_share():
    texts = ["I ought to feed the cat today since", "I ought to feed the cat now and", "We never saw it at all there"]
    keys = neighbours(texts)
    assert set(keys[0]) & set(keys[1])
    assert not set(keys[1]) & set(keys[2])


def test_phrases_are_kin_of_the_sentence_they_are_part_of():
    texts = ["a film of great beauty and wit", "of great beauty and", "great beauty", "a dull story told badly"]
    kin = phrase_kin(texts)
    assert kin[0] == kin[1] != kin[3]
    assert kin[2] != kin[0]  # two words stand for themselves


def test_rows_without_a_label_are_counted_and_left_out():
    row = {"sentence": "It is.", "label": 1}
    rows = BY_NAME["cola"].rows(stored([row, {"sentence": "Was it.", "label": -1}, {"sentence": "So.", "label": None}]))
    assert len(rows.every) == 1
    assert rows.skipped == {NO_LABEL: 2}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cola", {"label": 7}, "row 2: the column label is 7, not one of 0, 1"),
        ("cola", {"sentence": None}, "row 2: the column sentence is None, not a text"),
        ("boolq", {"answer": "maybe"}, "the column answer is 'maybe', not one of false, true"),
        (
            "dream",
            {"answer": "something else"},
            "the column answer is 'something else', not one of the texts in choice",
        ),
        ("dream", {"choice": "a, b"}, "the column choice is 'a, b', not a list of texts"),
        ("openbookqa", {"answerKey": "E"}, "the column answerKey is 'E', not one of A, B, C, D"),
        ("openbookqa", {"choices": {"text": ["x"]}}, "the column choices is .*, not a table with the lists"),
        ("hellaswag", {"label": "4"}, "the column label is '4', not one of 0, 1, 2, 3"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_column_and_value(name, change, message, rng):
    rows = [generated(name, rng), generated(name, rng) | change]
    with pytest.raises(StepError, match=f"the task {name}: file, {message}" if "row" in message else message):
        BY_NAME[name].rows(stored(rows))


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(StepError, match=r"file, row 1: the column sentence is None, not there"):
        BY_NAME["cola"].rows(stored([{"label": 1}]))


def test_labels_from_csv_count_as_numbers():
    rows = [
        {"sentence": "One.", "label": "1"},
        {"sentence": "Two.", "label": "0"},
        {"sentence": "Three.", "label": 1.0},
    ]
    assert BY_NAME["cola"].rows(stored(rows)).every.truth_N.tolist() == [1, 0, 1]
    assert str in ANY
