"""Pairs of moves: how they are drawn, judged and chosen, and that the same games give the same pairs."""

from collections import Counter

import chess
import pytest

from outgrow.chess.encoding import mirrored_uci
from outgrow.chess.ladder import LadderPlan, game_steps
from outgrow.chess.mining import canonical_words, even_spots
from outgrow.chess.mining_plan import chess_task_steps
from outgrow.chess.preferences import (
    MAX_SCORE,
    MIN_MARGIN,
    NODES,
    choose_preferences,
    drawn_pair,
    judged,
    move_score,
    pair_of_game,
)
from outgrow.seeds import generator

GAME = "e2e4 e7e5 g1f3 b8c6 f1c4 c6d4 f3e5 d8g5 e5f7 g5g2 h1f1 g2e4 c4e2 e4e6 f7h8 d4c2"
BEFORE_MATE = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4"
"""h5f7 mates; h5h7 loses the queen for a pawn."""


def position(place):
    """Return some position that is reached by random moves."""
    rng, board = generator(0, "position", place), chess.Board()
    for _ in range(12):
        board.push(list(board.legal_moves)[rng.integers(board.legal_moves.count())])
    return board


def mined(number):
    """Return pairs as the miner does, every third with the played move."""
    return [
        {"id": str(i), "game": i, "fen": position(i).fen(), "played": i % 2 if i % 3 == 0 else None}
        for i in range(number)
    ]


@pytest.mark.parametrize("with_played", [True, False])
def test_a_pair_is_two_legal_moves_with_or_without_the_played_one(with_played):
    first = 0
    boards = [board for board in map(position, range(220)) if board.legal_moves.count() > 2][:200]
    for place, board in enumerate(boards):
        played = next(iter(board.legal_moves)).uci()
        pair = drawn_pair(board, played, with_played=with_played, rng=generator(1, place))
        assert len(set(pair)) == 2
        assert all(chess.Move.from_uci(move) in board.legal_moves for move in pair)
        assert (played in pair) is with_played
        first += pair[0] == (played if with_played else min(pair))
    assert 70 < first < 130


def test_a_mirrored_position_gives_the_mirrored_pair():
    board = position(3)
    played = next(iter(board.legal_moves)).uci()
    pair = drawn_pair(board, played, with_played=False, rng=generator(5))
    twin = drawn_pair(board.mirror(), mirrored_uci(played), with_played=False, rng=generator(5))
    assert twin == tuple(map(mirrored_uci, pair))


def test_there_is_no_pair_where_there_are_too_few_moves():
    board = chess.Board("7k/8/5K2/8/8/8/6R1/8 b - - 0 1")  # only h8h7
    assert drawn_pair(board, "h8h7", with_played=True, rng=generator(0)) is None
    board = chess.Board("7k/8/8/8/8/8/8/K7 w - - 0 1")  # three moves
    assert drawn_pair(board, "a1a2", with_played=False, rng=generator(0)) is not None


def test_as_many_pairs_with_the_played_move_as_without_are_chosen():
    chosen = choose_preferences(mined(90), seed=0, target=40)
    assert Counter(row["played"] is None for row in chosen) == {True: 20, False: 20}
    assert len(choose_preferences(mined(30), seed=0, target=40)) == 20  # ten are with the played move
    assert choose_preferences(list(reversed(mined(90))), seed=0, target=40) == chosen


def test_no_position_is_chosen_twice_even_mirrored():
    rows = mined(90)
    rows[30]["fen"] = position(0).mirror().fen()
    chosen = choose_preferences(rows, seed=0, target=60)
    assert len({canonical_words(row["fen"]) for row in chosen}) == len(chosen)


def test_the_last_batches_are_mined_which_the_other_tasks_leave_alone():
    games = game_steps(LadderPlan())
    tasks = chess_task_steps(games)
    batches = {name: [each.inputs["games"].key for each in task.inputs.values()] for name, task in tasks.items()}
    pairs = batches.pop("chess-preference")
    assert pairs == [each.key for each in games[-len(pairs) :]]
    assert not set(pairs) & {key for keys in batches.values() for key in keys}


@pytest.mark.stockfish
def test_a_move_is_worth_at_most_ten_pawns(engine):
    assert move_score(BEFORE_MATE, "h5f7", nodes=1_000, engine=engine) == MAX_SCORE
    lost = move_score(BEFORE_MATE, "h5h7", nodes=1_000, engine=engine)
    assert -MAX_SCORE <= lost < 0


@pytest.mark.stockfish
def test_the_better_move_is_named_by_its_place(engine):
    spot = even_spots(GAME.split(), first=0, rng=generator(0))[0]
    moves = [move.uci() for move in spot.board.legal_moves]
    ranked = sorted(moves, key=lambda move: move_score(spot.board.fen(), move, nodes=NODES, engine=engine))
    worst, best = ranked[0], ranked[-1]
    forth, back = (judged(spot, pair, engine=engine) for pair in ((best, worst), (worst, best)))
    assert (forth["better"], back["better"]) == (0, 1)
    assert forth["margin_cp"] == back["margin_cp"] == forth["first_cp"] - forth["second_cp"] >= MIN_MARGIN
    assert judged(spot, (best, best), engine=engine) is None


@pytest.mark.stockfish
def test_the_same_games_give_the_same_pairs(engine):
    def mine():
        arguments = {"first": 0, "seed": 0, "engine": engine, "counts": Counter()}
        return [pair_of_game(GAME.split(), number=number, **arguments) for number in range(6)]

    first = mine()
    assert sum(row is not None for row in first) > 3
    assert {row["played"] is None for row in first if row} == {True, False}
    engine.search(GAME.split(), nodes=2_000)
    assert mine() == first
