"""What puzzles and blunders have in common: set-aside positions of a game, and tables of mined rows.

Only positions whose canonical hash is even are mined: pretraining never sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.chess.encoding import canonical_parity, position_words

MIN_PLY = 6
"""Earlier positions are few and repeat from game to game."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Spot:
    """A position of a game that tasks may use: how many plies were played, the board, its canonical words."""

    ply: int
    board: chess.Board
    canonical: str


def even_spots(moves: Sequence[str], *, first: int, rng: np.random.Generator, share: float = 1.0) -> list[Spot]:
    """Return a random share of a game's set-aside positions with a choice of moves, from ply `first` on."""
    board, spots = chess.Board(), []
    for ply, move in enumerate(moves):
        if ply >= max(first, MIN_PLY) and rng.random() < share:
            words = position_words(board)
            if canonical_parity(words) == 0 and board.legal_moves.count() > 1:
                spots.append(Spot(ply, board.copy(stack=False), " ".join(words)))
        board.push_uci(move)
    return spots


def win_chance(score: int) -> float:
    """Return the winning chance of a value in centipawns, from -1 to 1: the curve lichess uses."""
    return 2 / (1 + exp(-0.00368208 * max(-10_000, min(10_000, score)))) - 1


def location(moves: Sequence[str], spot: Spot, *, number: int) -> dict[str, Any]:
    """Return the columns that say where a row comes from: its game, the moves up to it, its FEN."""
    return {"game": number, "moves": " ".join(moves[: spot.ply]), "fen": spot.board.fen()}


def canonical_words(fen: str) -> str:
    """Return the canonical words of a position as one text: equal for equal and for mirrored positions."""
    return " ".join(position_words(chess.Board(fen)))


def without_duplicates(rows: Rows) -> Rows:
    """Return the rows whose canonical position no earlier row has."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(canonical_words(row["fen"]), row)
    return list(first.values())


def write_rows(rows: Rows, path: Path, *, schema: pa.Schema) -> None:
    """Write rows as a small Parquet file; the same rows give the same bytes under one version of pyarrow."""
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
        write_statistics=False,
        row_group_size=1 << 20,
        data_page_size=1 << 26,
    )


def read_rows(path: Path) -> Rows:
    """Return the rows of a Parquet file."""
    rows: Rows = pq.read_table(path).to_pylist()
    return rows
