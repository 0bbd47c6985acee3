"""Preference tasks from files: chess pairs and comparisons of texts become examples; what cannot be used is told."""

import json

import chess
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.chess.encoding import board_of
from outgrow.chess.mining import write_rows
from outgrow.chess.preferences import TASK_SCHEMA
from outgrow.errors import StepError, UsageError
from outgrow.examples import Labels
from outgrow.tables import read_examples, write_examples
from outgrow.tasks.base import Where
from outgrow.tasks.preference import CHESS_PREFERENCE, read_chess_pairs
from outgrow.tasks.preference_sets import PREFERENCE_TASKS

TASKS = {task.name: task for task in PREFERENCE_TASKS}
TALK = "\n\nHuman: {}\n\nAssistant:"
LISTS = {"chosen": ["a", "aa", "aaa"], "rejected": ["b", "bb", "bbb"], "prompt": "Q"}


def pair(number, moves, first, second, **changes):
    row = {"id": f"p-{number}", "game": number, "moves": moves, "first": first, "second": second, "better": 0}
    return row | {"played": None, "first_cp": 90, "second_cp": -10, "margin_cp": 100} | changes


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_chess_pair_is_a_position_and_two_move_words_in_the_mover_s_frame(tmp_path):
    rows = [
        pair(1, "", "e2e4", "a2a3"),
        pair(2, "e2e4", "e7e5", "a7a6", better=1, margin_cp=250),
    ]
    write_rows(rows, tmp_path / "p.parquet", schema=TASK_SCHEMA)
    examples = read_chess_pairs(tmp_path / "p.parquet")
    assert examples.ids == ("p-1", "p-2")
    assert examples.groups == ("1", "2")
    assert examples.completions == ((" e2e4", " a2a3"), (" e2e4", " a2a3"))  # Black's moves from Black's side
    assert examples.truth_N.tolist() == [0, 1]
    assert examples.margins == (100.0, 250.0)
    for text, moves in zip(examples.texts, examples.completions, strict=True):
        board = board_of(text.split())
        assert all(chess.Move.from_uci(move.strip()) in board.legal_moves for move in moves)


def test_the_text_of_a_pair_does_not_depend_on_which_move_is_better(tmp_path):
    for better in (0, 1):
        write_rows([pair(1, "", "e2e4", "a2a3", better=better)], tmp_path / f"{better}", schema=TASK_SCHEMA)
    one, other = (read_chess_pairs(tmp_path / f"{better}") for better in (0, 1))
    assert (one.texts, one.completions) == (other.texts, other.completions)


def test_completions_and_margins_survive_a_file(tmp_path):
    write_rows([pair(1, "", "e2e4", "a2a3")], tmp_path / "p", schema=TASK_SCHEMA)
    examples = read_chess_pairs(tmp_path / "p")
    write_examples(tmp_path / "x", examples)
    back = read_examples(tmp_path / "x")
    assert (back.completions, back.margins) == (examples.completions, examples.margins)
    assert back.take(["p-1"]).margins == (100.0,)


def test_the_chess_task_is_a_pair_of_exchangeable_options_of_the_ladder():
    assert (CHESS_PREFERENCE.family, CHESS_PREFERENCE.head, CHESS_PREFERENCE.models) == (
        "preference",
        "reward",
        "chess",
    )
    assert (CHESS_PREFERENCE.num_options, CHESS_PREFERENCE.shared, CHESS_PREFERENCE.balanced) == (2, False, False)


def test_a_folder_of_dialogues_becomes_pairs_grouped_by_how_they_begin(tmp_path):
    rows = [
        {"chosen": TALK.format("x") + " good", "rejected": TALK.format("x") + " bad"},
        {
            "chosen": TALK.format("x") + " a" + TALK.format("y") + " good",
            "rejected": TALK.format("x") + " a" + TALK.format("y") + " bad",
        },
        {"chosen": TALK.format("z") + " good", "rejected": TALK.format("z")},
        {"chosen": TALK.format("z") + " good", "rejected": TALK.format("w") + " bad"},
    ]
    write_lines(tmp_path / "hh_rlhf" / "train.jsonl", rows[:1])
    write_lines(tmp_path / "hh_rlhf" / "test.jsonl", rows[1:])
    read = TASKS["hh_rlhf"].rows(Where(data_dir=str(tmp_path)))
    examples = read.examples
    assert sorted(examples.ids) == ["test-1", "train-1"]
    assert len(set(examples.groups)) == 1
    for completions, truth in zip(examples.completions, examples.truth_N, strict=True):
        assert completions[truth] == " good"
    assert read.skipped == {"empty completion": 1, "the dialogues differ before the last answer": 1}


def test_the_same_pair_is_read_in_the_same_order_whichever_is_preferred(tmp_path):
    texts = [f" {word}" for word in ("one", "two")]
    found = []
    for chosen, rejected in (texts, texts[::-1]):
        row = {"chosen": TALK.format("x") + chosen, "rejected": TALK.format("x") + rejected}
        path = write_lines(tmp_path / f"{chosen.strip()}.jsonl", [row])
        found.append(TASKS["hh_rlhf"].rows(Where(data=str(path))).examples)
    assert found[0].completions == found[1].completions
    assert found[0].truth_N.tolist() == (1 - found[1].truth_N).tolist()


def test_rm_bench_tells_hard_pairs_from_easy_ones(tmp_path):
    path = write_lines(tmp_path / "rows.jsonl", [LISTS])
    examples = TASKS["rm_bench"].rows(Where(data=str(path))).examples
    assert len(examples) == 9
    assert len(set(examples.groups)) == 1
    longest_NK = np.array([[len(text) for text in pair] for pair in examples.completions], np.float32)
    figures = TASKS["rm_bench"].diagnose(Labels.from_dense(examples.ids, longest_NK), examples)
    assert (figures["accuracy_hard"], figures["accuracy_easy"]) == (0.0, 1.0)
    assert figures["length_control"] == 0.5
    assert figures["chose_longest"] == pytest.approx(7.5 / 9)


def test_reward_bench_2_has_four_options(tmp_path):
    row = {"prompt": "Q", "chosen": ["a"], "rejected": ["b", "c", "d"], "subset": "Focus"}
    path = write_lines(tmp_path / "rows.jsonl", [row, row | {"subset": "Ties", "chosen": ["a", "b"]}])
    read = TASKS["reward_bench_2"].rows(Where(data=str(path)))
    assert TASKS["reward_bench_2"].num_options == len(read.examples.completions[0]) == 4
    assert read.skipped == {"several right answers": 1}


def test_a_row_with_more_options_than_the_task_has_is_named(tmp_path):
    row = {"prompt": "Q", "chosen": ["a"], "rejected": ["b", "c", "d", "e"], "subset": "Focus"}
    path = write_lines(tmp_path / "rows.jsonl", [row])
    with pytest.raises(StepError, match=r"row 1 has 5 completions, the task has at most 4"):
        TASKS["reward_bench_2"].rows(Where(data=str(path)))


@pytest.mark.parametrize("name", ["reward_bench_2", "rm_bench"])
def test_a_text_in_the_place_of_a_list_is_not_taken_apart(tmp_path, name):
    row = {"prompt": "Q", "chosen": ["a"], "rejected": "bad", "subset": "Focus"}
    with pytest.raises(StepError, match="row 1: the column rejected is 'bad', not a list of texts"):
        TASKS[name].rows(Where(data=str(write_lines(tmp_path / "rows.jsonl", [row]))))


@pytest.mark.parametrize("released", [True, False])
def test_rmb_is_read_from_parquet_in_both_its_forms(tmp_path, released):
    asked = [{"role": "user", "content": "Q"}]
    row = (
        {"conversation_input": asked, "chosen": {"answer": "good"}, "reject": {"answer": "bad"}}
        if released
        else {"conversation": asked, "chosen": "good", "rejected": "bad"}
    )
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    found = TASKS["rmb"].rows(Where(data=str(tmp_path / "rows.parquet"))).examples
    assert found.completions[0][found.truth_N[0]] == " good"


def test_of_files_here_every_row_is_read(tmp_path):
    row = {"history": "H", "human_ref_A": "a", "human_ref_B": "b", "labels": 1, "score_ratio": 2.0}
    path = write_lines(tmp_path / "rows.jsonl", [row | {"post_id": f"p{i}", "history": f"H{i}"} for i in range(40)])
    assert len(TASKS["shp"].rows(Where(data=str(path))).examples) == 40


@pytest.mark.parametrize("labels", [(0, 1), (False, True), ("False", "True"), ("0", "1")])
def test_whether_an_answer_is_right_may_be_a_number(tmp_path, labels):
    checks = [{"question": f"Q{i}", "choice": "x", "label": label} for i, label in enumerate(labels)]
    path = write_lines(tmp_path / "rows.jsonl", checks)
    assert TASKS["aar_math"].rows(Where(data=str(path))).every.truth_N.tolist() == [0, 1]


def test_the_automated_benchmark_is_read_in_both_its_forms(tmp_path):
    chat = [{"prompt": "Q", "first": "a", "second": "b", "label": "B"}]
    checks = [{"question": "Q", "choice": str(i), "label": bool(i)} for i in range(2)]
    for split in ("train_label", "train_unlabel", "test"):
        write_lines(tmp_path / "aar_chat" / f"{split}.jsonl", [row | {"prompt": split} for row in chat])
        write_lines(tmp_path / "aar_math" / f"{split}.jsonl", [row | {"question": split} for row in checks])
    where = Where(data_dir=str(tmp_path))
    pairs = TASKS["aar_chat"].rows(where).examples
    assert [pairs.completions[i][pairs.truth_N[i]] for i in range(3)] == [" b"] * 3
    texts = TASKS["aar_math"].rows(where).examples
    assert texts.truth_N.tolist() == [0, 1] * 3
    assert texts.texts[1].startswith("Question: ")
    assert texts.texts[1].endswith("Answer: 1")
    assert len(set(texts.groups)) == 3


@pytest.mark.parametrize("name", ["aar_chat", "aar_math", "aar_code"])
def test_sets_that_are_not_on_the_hub_ask_for_their_files(name):
    with pytest.raises(UsageError, match=f"{name} is not on the hub"):
        TASKS[name].locate(Where())


def test_a_file_without_a_column_is_told_when_the_study_is_planned(tmp_path):
    path = write_lines(tmp_path / "rows.jsonl", [{"chosen": "x"}])
    with pytest.raises(UsageError, match=r"rows\.jsonl has no column rejected"):
        TASKS["hh_rlhf"].locate(Where(data=str(path)))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (LISTS | {"chosen": ["a"]}, " is not a row of this set"),
        (LISTS | {"rejected": None}, ": the column rejected is None, not a list of texts"),
        (LISTS | {"prompt": 3}, " is not a row of this set"),
    ],
)
def test_a_row_of_another_form_is_named(tmp_path, row, message):
    path = write_lines(tmp_path / "rows.jsonl", [LISTS, row])
    with pytest.raises(StepError, match=rf"rm_bench: rows\.jsonl, row 2{message}"):
        TASKS["rm_bench"].rows(Where(data=str(path)))


def test_names_are_unique_and_say_where_rows_come_from():
    assert len(TASKS) == len(PREFERENCE_TASKS)
    for task in PREFERENCE_TASKS:
        assert task.asset or task.source
        assert task.num_options >= 2


def test_a_pair_is_read_by_the_ladder_as_the_position_and_then_the_move(tmp_path):
    from outgrow.chess.encoding import word_ids, write_tokenizer
    from outgrow.models.loading import load_tokenizer
    from outgrow.training.batches import encode

    write_rows([pair(1, "", "e2e4", "g1f3")], tmp_path / "p", schema=TASK_SCHEMA)
    examples = read_chess_pairs(tmp_path / "p")
    write_tokenizer(tmp_path)
    inputs = encode(load_tokenizer(tmp_path), examples, head="completion", limit=512)
    batch = inputs.batch(np.array([0]))
    words = [[*examples.texts[0].split(), move.strip()] for move in examples.completions[0]]
    assert batch.flat_T.tolist() == [word_ids()[word] for each in words for word in each]
    assert inputs.scored_S.tolist() == [len(words[0]) - 1] * 2  # the move alone is scored
