"""The step that reads a task: balanced splits, the natural rows beside them, a cap on the pool."""

import json
from collections import Counter
from types import MappingProxyType

import numpy as np
import pytest

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.steps.task import task as step
from outgrow.tables import read_examples
from outgrow.tasks import Where, find_task


def made(tmp_path, name, rows, **spec):
    """Run the step on these rows; return its outputs and its tables."""
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    located = find_task(name).locate(Where(str(source)))
    folder = tmp_path / "out"
    folder.mkdir()
    whole = {"task": name, "test": 40, "tune": 20} | located.spec | spec
    outputs = step(Context(MappingProxyType(whole), {}, folder, places=located.places))
    return json.loads(json.dumps(outputs)), {path.stem: read_examples(path) for path in folder.glob("*.parquet")}


def sentences(number, share=0.3):
    return [{"sentence": f"Sentence number {i}.", "label": int(i % 10 >= 10 * share)} for i in range(number)]


def questions(number):
    choices = [[f"answer {i} {j}" for j in range(4)] for i in range(number)]
    return [
        {
            "question_stem": f"Question {i}?",
            "choices": {"text": each, "label": list("ABCD")},
            "answerKey": "ABCD"[i % 4],
        }
        for i, each in enumerate(choices)
    ]


def test_an_uneven_set_has_balanced_splits_and_natural_rows_that_none_trains_on(tmp_path):
    outputs, tables = made(tmp_path, "cola", sentences(600))
    assert Counter(tables["test"].truth_N.tolist()) == {0: 20, 1: 20}
    natural = tables["natural"]
    assert set(tables["test"].ids) <= set(natural.ids)
    assert 0.55 < natural.truth_N.mean() < 0.85  # as in the whole: 0.7
    assert outputs["natural_rows"] == len(natural) < 150
    assert outputs["natural_truth"] == natural.truth_N.tolist()
    assert outputs["natural_groups"] == list(range(len(natural)))  # every row its own
    others = {each for name in ("pool", "tune_fit", "tune_score") for each in tables[name].ids}
    assert not others & set(natural.ids)


def test_questions_have_all_their_options_among_the_natural_rows(tmp_path):
    outputs, tables = made(tmp_path, "openbookqa", questions(100))
    natural = tables["natural"]
    assert len(natural) == 2 * len(tables["test"]) == 80
    assert set(tables["test"].ids) <= set(natural.ids)
    by_question = np.array(outputs["natural_groups"])
    truth_N = np.array(outputs["natural_truth"])
    for question in range(20):
        assert (by_question == question).sum() == 4
        assert truth_N[by_question == question].sum() == 1
    assert len(tables["pool"]) % 2 == 0
    assert tables["pool"].truth_N.mean() == 0.5


def test_no_group_stands_in_two_tables(tmp_path):
    row = {"paragraph": "", "question": "Which?", "answer": "", "label": 0}
    rows = [row | {"paragraph": f"P{i // 7}", "answer": f"a{i}", "label": i % 2} for i in range(600)]
    _, tables = made(tmp_path, "multirc", rows)
    del tables["test"]  # its groups are those of natural
    groups = [set(table.groups) for table in tables.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_the_pool_can_be_capped_to_its_first_rows_in_the_fixed_order(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, tables = made(tmp_path, "cola", sentences(600))
    _, small = made(tmp_path / "a", "cola", sentences(600), pool=40)
    _, larger = made(tmp_path / "b", "cola", sentences(600), pool=60)
    assert Counter(small["pool"].truth_N.tolist()) == {0: 20, 1: 20}
    assert set(small["pool"].ids) < set(larger["pool"].ids) < set(tables["pool"].ids)
    assert small["test"].ids == tables["test"].ids


def test_the_record_tells_the_shortcut_and_what_was_skipped(tmp_path):
    rows = [row | {"sentence": "!" * (1 + row["label"]) + row["sentence"]} for row in sentences(600)]
    hidden = [{"sentence": f"Hidden {i}.", "label": -1} for i in range(3)]
    outputs, _ = made(tmp_path, "cola", rows + hidden)
    assert outputs["shortcut"] > 0.95
    assert outputs["skipped"] == {"rows without a label": 3}


def test_a_set_without_rows_or_labels_is_refused(tmp_path):
    with pytest.raises(StepError, match=r"cola has no rows that can be used: 2 rows without a label"):
        made(tmp_path, "cola", [{"sentence": f"{i}", "label": -1} for i in range(2)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StepError, match=r"cola has no rows$"):
        made(tmp_path / "empty", "cola", [])


def test_a_chess_task_has_no_natural_table(tmp_path, tiny_tasks):
    located = find_task("chess-blunder").locate(Where(str(tiny_tasks["chess-blunder"])))
    spec = {"task": "chess-blunder", "test": 60, "tune": 40} | located.spec
    outputs = step(Context(spec, {}, tmp_path, places=located.places))
    assert set(outputs) == {"rows", "test_groups", "test_truth", "test_ids_sha256"}
    assert sorted(path.stem for path in tmp_path.glob("*.parquet")) == ["pool", "test", "tune_fit", "tune_score"]
