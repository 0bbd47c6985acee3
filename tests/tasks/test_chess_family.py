"""Chess rows as examples: the words say the whole position, seen from the side to move, and never the answer."""

import chess
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.chess.encoding import board_of, move_words, position_words, vocabulary
from outgrow.errors import UsageError
from outgrow.examples import Examples, Labels
from outgrow.free_text import number_of
from outgrow.seeds import generator
from outgrow.tasks import TASKS, find_task
from outgrow.tasks.chess import illegal_mass, move_text, position_text, read_blunders, read_lichess, read_puzzles

HEADER = "PuzzleId,FEN,Moves,Rating,GameUrl\n"
LICHESS = HEADER + (
    "00sHx,q3k1nr/1pp1nQpp/3p4/1P2p3/4P3/B1PP1b2/B5PP/5K2 b k - 0 17,e8d7 a2e6 d7d8 f7f8,1760,"
    "https://lichess.org/yyznGmXs/black#34\n"
    "a,rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2,g1f3 b8c6,600,https://lichess.org/yyznGmXs#3\n"
    "b,7k/P7/8/8/8/8/8/K7 b - - 0 1,h8h7 a7a8q,600,\n"
)


def board_after(seed, plies):
    """Return a board after this many random moves."""
    rng, board = generator(seed, "family"), chess.Board()
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[rng.integers(len(moves))])
    return board


BOARDS = st.builds(board_after, st.integers(0, 10_000), st.integers(0, 80))


def same_position(one, other):
    """Compare what the rules know of a position, up to an en passant square that nobody can use."""
    return (
        one.board_fen() == other.board_fen()
        and one.turn == other.turn
        and one.clean_castling_rights() == other.clean_castling_rights()
        and set(one.legal_moves) == set(other.legal_moves)
    )


@given(BOARDS)
def test_the_words_say_the_whole_position(board):
    seen = board if board.turn else board.mirror()
    assert same_position(board_of(position_text({"fen": board.fen()}).split()), seen)


@given(BOARDS)
def test_a_position_and_its_colour_flipped_twin_read_the_same(board):
    assert position_text({"fen": board.fen()}) == position_text({"fen": board.mirror().fen()})


@given(BOARDS)
def test_every_word_is_in_the_vocabulary_and_the_query_is_last(board):
    words = position_words(board)
    assert set(words) <= set(vocabulary())
    assert words[-1] == "?"
    assert words.count("?") == 1


@given(BOARDS)
def test_every_legal_move_has_a_word(board):
    assert {move.uci() for move in board.legal_moves} <= set(move_words())


def test_there_are_1968_moves():
    assert len(move_words()) == len(set(move_words())) == 1_968


def test_en_passant_is_said_only_where_it_can_be_done():
    idle = chess.Board("rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq e6 0 2")
    open_ = chess.Board("rnbqkbnr/ppp1pppp/8/3pP3/8/8/PPPP1PPP/RNBQKBNR w KQkq d6 0 3")
    pinned = chess.Board("7k/8/8/K2pP2r/8/8/8/8 w - d6 0 1")
    assert "ep:-" in position_words(idle)
    assert "ep:d" in position_words(open_)
    assert "ep:d" in position_words(open_.mirror())
    assert "ep:-" in position_words(pinned)


def test_castling_is_said_from_the_mover_s_side():
    fen = "r3k3/8/8/8/8/8/8/4K2R {} Kq - 0 1"
    assert "castle:Kq" in position_words(chess.Board(fen.format("w")))
    assert "castle:Qk" in position_words(chess.Board(fen.format("b")))


def write(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_puzzles_are_read_with_the_solution_in_the_mover_s_frame(tmp_path):
    rows = [
        {"id": "w", "game": 1, "fen": "7k/P7/8/8/8/8/8/K7 w - - 0 1", "solution": "a7a8q"},
        {"id": "b", "game": 2, "fen": "k7/8/8/8/8/8/p7/7K b - - 0 1", "solution": "a2a1q"},
    ]
    examples = read_puzzles(write(tmp_path / "p.parquet", rows))
    assert examples.ids == ("w", "b")
    assert examples.groups == ("1", "2")
    assert [move_words()[i] for i in examples.truth_N] == ["a7a8q", "a7a8q"]
    for text, truth in zip(examples.texts, examples.truth_N, strict=True):
        assert chess.Move.from_uci(move_words()[truth]) in board_of(text.split()).legal_moves


def test_a_move_to_be_judged_comes_last_in_the_mover_s_frame(tmp_path):
    board = board_after(3, 9)
    assert board.turn == chess.BLACK
    move = next(iter(board.legal_moves))
    rows = [{"id": "x", "game": 1, "fen": board.fen(), "move": move.uci(), "label": 1}]
    examples = read_blunders(write(tmp_path / "b.parquet", rows))
    *position, query, word = examples.texts[0].split()
    assert query == "?"
    assert chess.Move.from_uci(word) in board_of([*position, query]).legal_moves
    assert examples.truth_N.tolist() == [1]


@given(BOARDS, st.integers(0, 1))
def test_no_text_depends_on_the_answer(board, label):
    moves = [move.uci() for move in board.legal_moves] or ["e2e4"]
    row = {"id": "x", "game": 1, "fen": board.fen(), "move": moves[0]}
    assert len({position_text(row | {"solution": move}) for move in (*moves, None)}) == 1
    assert move_text(row | {"label": label}) == move_text(row | {"label": 1 - label}) == move_text(row)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_lichess_puzzle_starts_after_the_opponent_s_move(tmp_path, suffix):
    import gzip

    data = LICHESS.encode()
    path = tmp_path / f"puzzles{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    examples = read_lichess(path)
    assert examples.ids == ("00sHx", "a", "b")
    assert examples.groups == ("yyznGmXs", "yyznGmXs", "b")  # one game; a puzzle without a game stands alone
    # White solves the first, Black the second, White the third.
    assert [move_words()[i] for i in examples.truth_N] == ["a2e6", "b1c3", "a7a8q"]
    board = chess.Board("q3k1nr/1pp1nQpp/3p4/1P2p3/4P3/B1PP1b2/B5PP/5K2 b k - 0 17")
    board.push_uci("e8d7")
    assert examples.texts[0] == position_text({"fen": board.fen()})


@pytest.mark.parametrize(
    "row",
    [
        "c,not a position,e2e4 e7e5,600,",
        "c,7k/P7/8/8/8/8/8/K7 b - - 0 1,h8h7,600,",
        "c,7k/P7/8/8/8/8/8/K7 b - - 0 1,h8h1 a7a8q,600,",
        "c,7k/P7/8/8/8/8/8/K7 b - - 0 1,h8h7 a1a8,600,",
        "c,7k/P7/8/8/8/8/8/K7 b - - 0 1,,600,",
        "c",
    ],
)
def test_a_row_that_is_no_puzzle_is_named_by_its_line(tmp_path, row):
    path = tmp_path / "puzzles.csv"
    path.write_text(LICHESS + row + "\n")
    with pytest.raises(UsageError, match=r"puzzles\.csv, line 5: not a lichess puzzle"):
        read_lichess(path)


def test_a_file_of_something_else_is_named_too(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("FEN,Moves\n7k/P7/8/8/8/8/8/K7 b - - 0 1,h8h7 a7a8q\n")
    with pytest.raises(UsageError, match=r"other\.csv .* no column PuzzleId"):
        read_lichess(path)


def test_the_illegal_mass_is_what_the_rules_forbid():
    board = chess.Board("7k/8/8/8/8/8/8/K7 w - - 0 1")  # three legal moves
    texts = (" ".join(position_words(board)),) * 2
    examples = Examples(("a", "b"), ("a", "b"), texts, np.zeros(2, np.int64))
    index = {word: i for i, word in enumerate(move_words())}
    probabilities_NK = np.zeros((2, len(index)), np.float32)
    probabilities_NK[0, [index["a1a2"], index["a1b1"]]] = 0.5  # legal
    probabilities_NK[1, [index["a1a2"], index["h8h7"]]] = 0.25, 0.75
    found = illegal_mass(Labels.from_dense(("a", "b"), probabilities_NK), examples)
    assert found == {"illegal_mass": pytest.approx(0.375)}


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.asset])
def test_shipped_tasks_can_be_read_and_are_what_they_say(name):
    task = find_task(name)
    examples = task.rows().examples
    assert len(examples) > 500
    if task.head == "text":
        assert examples.truth_N.tolist() == [number_of(answer) for answer in examples.answers]
    else:
        assert set(examples.truth_N.tolist()) <= set(range(task.num_options))
    if task.balanced:
        assert len(set(np.bincount(examples.truth_N).tolist())) == 1
