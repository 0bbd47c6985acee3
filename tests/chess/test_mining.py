"""The miner: what counts as a puzzle or a blunder, how rows are chosen, and that the same games give the same rows."""

from collections import Counter

import chess
import pyarrow as pa
import pytest

from outgrow.chess.blunders import MAX_SCORE, SOURCES, blunders_of_game, choose_blunders, label_of, move_loss
from outgrow.chess.encoding import canonical_parity
from outgrow.chess.engine import MATE, Line
from outgrow.chess.mining import canonical_words, even_spots, write_rows
from outgrow.chess.mining_plan import chess_task_steps
from outgrow.chess.puzzles import BUDGETS, choose_puzzles, difficulty, one_clear_move, puzzle_of_game
from outgrow.seeds import derive, generator
from outgrow.versions import step

# White is left a piece behind; Black hangs the queen.
BLUNT = "e2e4 e7e5 g1f3 b8c6 f1c4 c6d4 f3e5 d8g5 e5f7 g5g2 h1f1 g2e4 c4e2 e4e6 f7h8 d4c2"
SHARP = "d2d4 d7d5 c2c4 e7e6 b1c3 g8f6 c1g5 b8d7 c4d5 e6d5 c3d5 f6d5 g5d8 f8b4 d1d2 e8d8 d2b4 d5b4"
SCHOLARS_MATE = ["e2e4", "e7e5", "f1c4", "b8c6", "d1h5", "g8f6"]


def position(seed, place):
    """Return the FEN of some position that is reached by random moves."""
    rng, board = generator(seed, "position", place), chess.Board()
    for _ in range(12):
        moves = list(board.legal_moves)
        board.push(moves[rng.integers(len(moves))])
    return board.fen()


def puzzle(place, *, difficulty, is_capture):
    return {"game": place, "fen": position(0, place), "difficulty": difficulty, "is_capture": is_capture}


def test_spots_are_set_aside_positions_with_a_choice_of_moves():
    spots = even_spots(SHARP.split(), first=7, rng=generator(0))
    assert spots
    for spot in spots:
        board = chess.Board()
        for move in SHARP.split()[: spot.ply]:
            board.push_uci(move)
        assert spot.board.fen() == board.fen()
        assert spot.ply >= 7
        assert canonical_parity(canonical_words(board.fen()).split()) == 0


@pytest.mark.parametrize(
    ("best", "second", "clear"),
    [(199, -900, False), (200, -100, True), (900, 600, False), (MATE - 3, 300, True), (MATE - 3, MATE - 5, False)],
)
def test_a_clear_move_wins_and_the_second_is_far_worse(best, second, clear):
    assert one_clear_move([Line("a2a3", best), Line("a2a4", second)], min_score=200, min_gap=0.4) is clear


def test_a_forced_move_is_no_puzzle():
    assert not one_clear_move([Line("a2a3", 900)], min_score=200, min_gap=0.4)


def test_puzzles_keep_the_quotas_whatever_is_mined():
    mined = [puzzle(i, difficulty=1 if i % 8 else 100, is_capture=i % 4 > 0) for i in range(160)]
    quotas = {"seed": 0, "target": 100, "max_one_node": 0.8, "max_captures": 0.6}
    chosen = choose_puzzles(mined, **quotas)
    assert 0 < len(chosen) <= 100
    assert sum(row["difficulty"] == 1 for row in chosen) <= 0.8 * len(chosen)
    assert sum(row["is_capture"] for row in chosen) <= 0.6 * len(chosen)
    assert len({canonical_words(row["fen"]) for row in chosen}) == len(chosen)
    assert choose_puzzles(list(reversed(mined)), **quotas) == chosen


def test_puzzles_reach_the_target_where_the_quotas_allow_it():
    mined = [puzzle(i, difficulty=1 if i % 2 else 10, is_capture=False) for i in range(60)]
    assert len(choose_puzzles(mined, seed=0, target=40, max_one_node=0.8, max_captures=0.5)) == 40


def test_mirrored_positions_count_as_one():
    board = chess.Board(position(0, 1))
    mined = [puzzle(1, difficulty=10, is_capture=False), puzzle(2, difficulty=10, is_capture=False)]
    mined[1]["fen"] = board.mirror().fen()
    assert choose_puzzles(mined, seed=0, target=2, max_one_node=1, max_captures=1) == mined[:1]


def test_blunders_are_balanced_within_each_source_whatever_is_mined():
    draws = [(i, SOURCES[derive(0, i) % 2], int(derive(1, i) % 3 > 0)) for i in range(200)]
    mined = [
        {"id": str(i), "game": i, "fen": position(1, i), "source": s, "label": n, "best_cp": i * 3} for i, s, n in draws
    ]
    chosen = choose_blunders(mined, seed=0, target=160)
    cells = Counter((row["source"], row["label"]) for row in chosen)
    assert len(cells) == 4
    assert len(set(cells.values())) == 1
    assert max(row["best_cp"] for row in chosen) <= MAX_SCORE
    assert choose_blunders(list(reversed(mined)), seed=0, target=160) == chosen


def test_labels_leave_out_what_lies_between():
    assert [label_of(loss, good=25, blunder=150) for loss in (0, 25, 26, 149, 150)] == [0, 0, None, None, 1]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    schema = pa.schema({"game": pa.int32(), "fen": pa.string()})
    rows = [{"game": i, "fen": position(2, i)} for i in range(20)]
    for name in "ab":
        write_rows(rows, tmp_path / name, schema=schema)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_graph_mines_batches_and_names_the_tasks():
    games = [step("selfplay", {"first": i * 500, "count": 500, "seed": 0}) for i in range(3)]
    tasks = chess_task_steps(games)
    assert set(tasks) == {"chess-puzzle", "chess-blunder", "chess-preference"}
    for task in tasks.values():
        assert [each.inputs["games"].key for each in task.inputs.values()] == [each.key for each in games]


@pytest.mark.stockfish
def test_a_search_depends_on_nothing_before_it(engine):
    first = engine.search(SHARP.split()[:9], nodes=5_000, num_lines=3)
    engine.search(BLUNT.split(), nodes=3_000)
    engine.new_game()
    assert engine.search(SHARP.split()[:9], nodes=5_000, num_lines=3) == first


@pytest.mark.stockfish
def test_the_engine_sees_mate_and_the_end_of_a_game(engine):
    assert engine.search(SCHOLARS_MATE, nodes=1_000)[0] == Line("h5f7", MATE - 2)
    assert engine.search([*SCHOLARS_MATE, "h5f7"], nodes=1_000) == []


@pytest.mark.stockfish
def test_the_first_move_can_be_restricted(engine):
    assert engine.search(SCHOLARS_MATE, nodes=1_000, only=["a2a3"])[0].move == "a2a3"


@pytest.mark.stockfish
def test_difficulty_is_the_budget_from_which_on_the_move_is_found(engine):
    moves = SHARP.split()[:11]
    best = engine.search(moves, nodes=BUDGETS[-1])[0].move
    found = []
    for nodes in BUDGETS:
        engine.new_game()
        found.append(engine.search(moves, nodes=nodes)[0].move == best)
    expected = next(nodes for i, nodes in enumerate(BUDGETS) if all(found[i:]))
    assert difficulty(moves, best, engine=engine) == expected
    assert difficulty(SCHOLARS_MATE, "h5f7", engine=engine) == 1
    assert difficulty(SCHOLARS_MATE, "a2a3", engine=engine) is None


@pytest.mark.stockfish
def test_a_move_loses_nothing_if_it_is_best_and_much_if_it_hangs_a_queen(engine):
    moves = ["e2e4", "e7e5", "g1f3", "b8c6"]
    best = engine.search(moves, nodes=20_000)[0].move
    assert move_loss(moves, best, nodes=20_000, engine=engine)[0] == 0
    assert move_loss(moves, "f3e5", nodes=20_000, engine=engine)[0] >= 150
    assert move_loss(SCHOLARS_MATE, "h5f7", nodes=20_000, engine=engine) is None


@pytest.mark.stockfish
def test_the_same_games_give_the_same_rows(engine):
    def mine():
        puzzles, blunders = [], []
        for number, text in enumerate((BLUNT, SHARP)):
            arguments = {"number": number, "first": 0, "seed": 0, "engine": engine, "counts": Counter()}
            puzzles.append(puzzle_of_game(text.split(), **arguments))
            blunders += blunders_of_game(text.split(), **arguments)
        return puzzles, blunders

    first = mine()
    assert any(first[0])
    assert first[1]
    engine.search(SHARP.split(), nodes=2_000)
    assert mine() == first
