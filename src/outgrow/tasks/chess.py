"""The chess family: mined puzzles and blunders, and lichess puzzles, as examples. Knows no model.

An example's text is the position, seen from the side to move, in the words of `chess.encoding`.
"""

import csv
import gzip
import io
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import chess
import numpy as np

from outgrow.chess.encoding import board_of, move_word, move_words, position_words
from outgrow.errors import UsageError
from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels
from outgrow.tasks.base import Task, of_one_file, one_file

LICHESS_COLUMNS = ("PuzzleId", "FEN", "Moves")


def position_text(row: dict[str, Any]) -> str:
    """Format a puzzle: the position, ending in the query. The solution is not read."""
    return " ".join(position_words(chess.Board(row["fen"])))


def move_text(row: dict[str, Any]) -> str:
    """Format a position and a move made in it, the move last. The label is not read."""
    board = chess.Board(row["fen"])
    return " ".join([*position_words(board), move_word(chess.Move.from_uci(row["move"]), board.turn)])


def read_puzzles(path: Path) -> Examples:
    """Read mined puzzles: the options are all moves, the right one is the solution."""
    rows = _parquet_rows(path)
    index = {word: i for i, word in enumerate(move_words())}
    truth = [index[move_word(chess.Move.from_uci(r["solution"]), chess.Board(r["fen"]).turn)] for r in rows]
    return _examples(rows, [position_text(r) for r in rows], truth)


def read_puzzle_texts(path: Path) -> Examples:
    """Read mined puzzles whose answer is written: the word of the solution."""
    puzzles = read_puzzles(path)
    words = tuple(move_words()[option] for option in puzzles.truth_N)
    return replace(puzzles, truth_N=TextLabels.of(puzzles.ids, words).predicted(), answers=words)


def not_moves(labels: TextLabels, examples: Examples) -> dict[str, float]:
    """Return the share of answers that are no move at all, on any board."""
    del examples
    words = set(move_words())
    return {"not_a_move": sum(text not in words for text in labels.texts) / len(labels)}


def read_blunders(path: Path) -> Examples:
    """Read mined positions with a move: option 1 says that the move is a blunder."""
    rows = _parquet_rows(path)
    return _examples(rows, [move_text(r) for r in rows], [r["label"] for r in rows])


def read_lichess(path: Path) -> Examples:
    """Read lichess's puzzle CSV (plain or .gz): its first move is the opponent's, its second the solution.

    Rows with a blank game URL are groups of their own. A row that is not a puzzle raises UsageError with its number.
    """
    reader = csv.DictReader(io.StringIO(_text(path)))
    missing = [name for name in LICHESS_COLUMNS if name not in (reader.fieldnames or LICHESS_COLUMNS)]
    if missing:
        raise UsageError(f"{path.name} is not lichess's puzzle CSV: it has no column {', '.join(missing)}")
    index = {word: i for i, word in enumerate(move_words())}
    ids, groups, texts, truth = [], [], [], []
    for number, row in enumerate(reader, start=2):
        try:
            name = row["PuzzleId"]
            board = chess.Board(row["FEN"])
            first, second = row["Moves"].split()[:2]
            board.push_uci(first)
            solution = board.parse_uci(second)
            if not row["PuzzleId"]:
                raise ValueError("the PuzzleId is empty")
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"{path.name}, line {number}: not a lichess puzzle ({error!r:.100})") from None
        game = (row.get("GameUrl") or "").partition("#")[0].split("/")
        ids.append(name)
        groups.append(game[3] if len(game) > 3 else name)
        texts.append(" ".join(position_words(board)))
        truth.append(index[move_word(solution, board.turn)])
    return Examples(tuple(ids), tuple(groups), tuple(texts), np.array(truth, np.int64))


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8 text: save it as that") from None
    except (OSError, EOFError, zlib.error):
        raise UsageError(f"{path.name} is not a whole gzip file: unpack it, or fetch it again") from None


def illegal_mass(labels: Labels, examples: Examples) -> dict[str, float]:
    """Return the mean probability that the labels give to moves the rules forbid."""
    index = {word: i for i, word in enumerate(move_words())}
    legal_mass = 0.0
    for text, probabilities_K in zip(examples.texts, labels.dense(), strict=True):
        legal = [index[move.uci()] for move in board_of(text.split()).legal_moves]
        legal_mass += float(probabilities_K[legal].sum())
    return {"illegal_mass": max(0.0, 1.0 - legal_mass / len(examples))}


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _examples(rows: list[dict[str, Any]], texts: list[str], truth: list[int]) -> Examples:
    return Examples(
        tuple(str(r["id"]) for r in rows), tuple(str(r["game"]) for r in rows), tuple(texts), np.array(truth, np.int64)
    )


CHESS_TASKS = (
    Task(
        name="chess-puzzle",
        family="chess",
        about="Find the one clearly best move of a position; positions mined from engine self-play.",
        head="token",
        options=move_words,
        shared=False,
        balanced=False,
        locate=one_file("chess-puzzle", "chess-puzzle.parquet"),
        read=of_one_file(read_puzzles),
        asset="chess-puzzle.parquet",
        diagnose=illegal_mass,
        models="chess",
    ),
    Task(
        name="chess-puzzle-text",
        family="chess",
        about="The best move of a position, written as free text: the rows of chess-puzzle.",
        head="text",
        options=tuple,
        shared=False,
        balanced=False,
        locate=one_file("chess-puzzle-text", "chess-puzzle.parquet"),
        read=of_one_file(read_puzzle_texts),
        asset="chess-puzzle.parquet",
        max_new_tokens=1,
        diagnose_texts=not_moves,
        models="chess",
    ),
    Task(
        name="chess-blunder",
        family="chess",
        about="Does this move lose at least 1.5 pawns, or is it within a quarter pawn of the best?",
        head="class",
        options=lambda: ("good", "blunder"),
        shared=True,
        balanced=True,
        locate=one_file("chess-blunder", "chess-blunder.parquet"),
        read=of_one_file(read_blunders),
        asset="chess-blunder.parquet",
        models="chess",
    ),
    Task(
        name="lichess-puzzle",
        family="chess",
        about="The first move of a lichess puzzle, from lichess's puzzle CSV (data: FILE).",
        head="token",
        options=move_words,
        shared=False,
        balanced=False,
        locate=one_file("lichess-puzzle"),
        read=of_one_file(read_lichess),
        diagnose=illegal_mass,
        models="chess",
    ),
)
