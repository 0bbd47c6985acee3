"""The chess tasks that are shipped: what must hold of every row."""

from collections import Counter
from pathlib import Path

import chess
import pyarrow.parquet as pq
import pytest

import outgrow
from outgrow.chess.blunders import BLUNDER_LOSS, GOOD_LOSS, MAX_SCORE
from outgrow.chess.encoding import canonical_parity
from outgrow.chess.mining import canonical_words, win_chance
from outgrow.chess.puzzles import BUDGETS, MIN_GAP, MIN_SCORE

TASKS = Path(outgrow.__file__).parent / "assets" / "tasks"
FILES = {name: TASKS / f"{name}.parquet" for name in ("chess-puzzle", "chess-blunder")}


def rows_of(name):
    return pq.read_table(FILES[name]).to_pylist()


@pytest.fixture(scope="module")
def puzzles():
    return rows_of("chess-puzzle")


@pytest.fixture(scope="module")
def blunders():
    return rows_of("chess-blunder")


@pytest.fixture(scope="module", params=FILES)
def rows(request, puzzles, blunders):
    return {"chess-puzzle": puzzles, "chess-blunder": blunders}[request.param]


def test_every_game_replays_to_its_position_and_the_move_is_legal_there(rows):
    for row in rows:
        board = chess.Board()
        for move in row["moves"].split():
            board.push_uci(move)
        assert board.fen() == row["fen"]
        move = board.parse_uci(row.get("solution") or row["move"])  # raises where it is not legal
        assert board.is_capture(move) == row["is_capture"]


def test_every_position_is_set_aside_for_tasks_and_occurs_once(rows):
    positions = [canonical_words(row["fen"]) for row in rows]
    assert all(canonical_parity(words.split()) == 0 for words in positions)
    assert len(set(positions)) == len(rows)


def test_ids_are_unique(rows):
    assert len({row["id"] for row in rows}) == len(rows)


def test_one_puzzle_a_game_and_enough_of_them(puzzles):
    assert len({row["game"] for row in puzzles}) == len(puzzles) >= 3_500


def test_a_puzzle_has_one_clearly_best_move(puzzles):
    for row in puzzles:
        assert row["best_cp"] >= MIN_SCORE
        assert win_chance(row["best_cp"]) - win_chance(row["second_cp"]) >= MIN_GAP


def test_no_difficulty_is_missing_and_the_quotas_hold(puzzles):
    difficulties = Counter(row["difficulty"] for row in puzzles)
    assert set(difficulties) == set(BUDGETS)
    assert difficulties[1] <= 0.85 * len(puzzles)
    assert sum(row["is_capture"] for row in puzzles) <= 0.6 * len(puzzles)


def test_blunders_are_balanced_within_each_source(blunders):
    cells = Counter((row["source"], row["label"]) for row in blunders)
    assert len(blunders) >= 12_000
    assert cells == dict.fromkeys([("played", 0), ("played", 1), ("random", 0), ("random", 1)], len(blunders) // 4)


def test_a_game_gives_at_most_one_move_of_each_source(blunders):
    assert max(Counter((row["game"], row["source"]) for row in blunders).values()) == 1


def test_labels_follow_from_the_loss_in_undecided_positions(blunders):
    for row in blunders:
        assert abs(row["best_cp"]) <= MAX_SCORE
        assert row["loss_cp"] >= BLUNDER_LOSS if row["label"] else row["loss_cp"] <= GOOD_LOSS


def test_both_files_stay_small():
    assert sum(path.stat().st_size for path in FILES.values()) <= 5_000_000
