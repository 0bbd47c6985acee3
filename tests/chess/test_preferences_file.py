"""The shipped pairs of moves: legal, set aside, one a game, apart by the margin, in an order that tells nothing."""

from pathlib import Path

import chess
import pyarrow.parquet as pq
import pytest

import outgrow
from outgrow.chess.encoding import canonical_parity, position_words
from outgrow.chess.preferences import MAX_SCORE, MIN_MARGIN, TASK_SCHEMA

FILE = Path(outgrow.__file__).parent / "assets" / "tasks" / "chess-preference.parquet"


@pytest.fixture(scope="module")
def rows():
    return pq.read_table(FILE).to_pylist()


def test_the_file_is_small_and_has_the_columns():
    assert FILE.stat().st_size < 1_000_000
    assert pq.read_schema(FILE).names == TASK_SCHEMA.names


def test_both_moves_are_legal_in_a_position_that_is_set_aside_and_occurs_once(rows):
    seen = set()
    for row in rows:
        board = chess.Board()
        for move in row["moves"].split():
            board.push(chess.Move.from_uci(move))
        assert row["first"] != row["second"]
        assert all(chess.Move.from_uci(row[name]) in board.legal_moves for name in ("first", "second"))
        words = position_words(board)
        assert canonical_parity(words) == 0
        seen.add(tuple(words))
    assert len(seen) == len(rows)


def test_there_are_enough_pairs_each_of_a_game_of_its_own(rows):
    assert len(rows) >= 10_000
    assert len({row["game"] for row in rows}) == len({row["id"] for row in rows}) == len(rows)


def test_the_better_move_is_better_by_the_margin(rows):
    for row in rows:
        scores = row["first_cp"], row["second_cp"]
        assert max(map(abs, scores)) <= MAX_SCORE
        assert row["margin_cp"] == abs(scores[0] - scores[1]) >= MIN_MARGIN
        assert row["better"] == scores.index(max(scores))


def test_the_place_of_a_move_tells_neither_which_is_better_nor_which_was_played(rows):
    played = [row["played"] for row in rows if row["played"] is not None]
    assert len(played) == len(rows) / 2
    assert 0.48 < sum(row["better"] for row in rows) / len(rows) < 0.52
    assert 0.47 < sum(played) / len(played) < 0.53


def test_every_band_of_margins_is_wide_enough_for_a_study(rows):
    margins = [row["margin_cp"] for row in rows]
    assert all(
        sum(low <= margin < high for margin in margins) > 2_000 for low, high in ((60, 120), (120, 250), (250, 2_001))
    )
