"""Positions with one clearly best move, how hard that move is to find, and which of them make the task.

A move is clearly best if the engine's value of it is winning and the second-best move has a far smaller winning
chance. Short searches screen, a long one decides, and one of another size must choose the same move.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chess
import pyarrow as pa

from outgrow.chess.engine import MATE, Engine, Line
from outgrow.chess.mining import Rows, Spot, even_spots, location, win_chance, without_duplicates
from outgrow.seeds import generator

BUDGETS = (1, 10, 100, 1_000, 10_000)
MAX_MOVES_OF_TENS = 8
"""Stockfish finishes its first iteration whatever the limit, a node a move at least: with more moves than this, ten
nodes choose as one does, so puzzles of difficulty 10 are rare and have to be sought on purpose."""
CONFIRM_NODES, MIN_SCORE, MIN_GAP = 40_000, 200, 0.4
SCREENS = ((600, 100, 0.25), (3_000, 150, 0.3))
"""Short searches that a position must pass before the long one: nodes, smallest value, smallest gap."""
MAX_CONFIRMATIONS = 3
EASY_CAPTURE_SHARE = 0.8
"""Most candidates are captures that one node finds: a game with nothing else is mined only this often."""

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "game": pa.int32(),
        "moves": pa.string(),
        "fen": pa.string(),
        "solution": pa.string(),
        "difficulty": pa.int32(),
        "is_capture": pa.bool_(),
        "best_cp": pa.int32(),
        "second_cp": pa.int32(),
        "mate_in": pa.int32(),
    }
)


@dataclass(frozen=True)
class Candidate:
    """A position that the short searches take for a puzzle."""

    spot: Spot
    found_at_once: bool
    is_capture: bool


def difficulty(moves: Sequence[str], solution: str, *, engine: Engine) -> int | None:
    """Return the smallest budget from which on every larger one finds the solution; None if the largest does not.

    The engine forgets everything before every search.
    """
    smallest = None
    for nodes in reversed(BUDGETS):
        engine.new_game()
        if engine.search(moves, nodes=nodes)[0].move != solution:
            break
        smallest = nodes
    return smallest


def one_clear_move(lines: Sequence[Line], *, min_score: int, min_gap: float) -> bool:
    """Return whether the first of two lines wins and the second is far worse."""
    if len(lines) < 2 or lines[0].score < min_score:
        return False
    return win_chance(lines[0].score) - win_chance(lines[1].score) >= min_gap


def puzzle_of_game(
    moves: Sequence[str],
    *,
    number: int,
    first: int,
    seed: int,
    engine: Engine,
    counts: Counter[str],
    only_tens: bool = False,
) -> dict[str, Any] | None:
    """Return one puzzle of a game, or None: what one node does not find before what it does, quiet before captures.

    `only_tens`: of the positions in which ten nodes may choose another move than one, and of no other.
    """
    rng = generator(seed, "puzzles", number)
    candidates = []
    engine.new_game()
    for spot in even_spots(moves, first=first, rng=rng):
        if only_tens and not _ten_differs_from_one(moves[: spot.ply], spot, engine=engine):
            continue
        counts["screened"] += 1
        candidate = _screened(moves, spot, engine=engine)
        if candidate is not None:
            counts[f"candidate easy={candidate.found_at_once:d} capture={candidate.is_capture:d}"] += 1
            candidates.append((candidate.found_at_once, candidate.is_capture, rng.random(), candidate))
    for easy, capture, draw, candidate in sorted(candidates, key=lambda each: each[:3])[:MAX_CONFIRMATIONS]:
        if easy and capture and draw > EASY_CAPTURE_SHARE:
            break
        counts["confirmations"] += 1
        found = _confirmed(moves, candidate.spot, number=number, engine=engine)
        if found is not None:
            return found
    return None


def _ten_differs_from_one(played: Sequence[str], spot: Spot, *, engine: Engine) -> bool:
    if spot.board.legal_moves.count() > MAX_MOVES_OF_TENS:
        return False
    engine.new_game()
    one, ten = (engine.search(played, nodes=nodes)[0].move for nodes in BUDGETS[:2])
    return one != ten


def _screened(moves: Sequence[str], spot: Spot, *, engine: Engine) -> Candidate | None:
    played, best = moves[: spot.ply], ""
    for nodes, min_score, min_gap in SCREENS:
        lines = engine.search(played, nodes=nodes, num_lines=2)
        if not one_clear_move(lines, min_score=min_score, min_gap=min_gap):
            return None
        best = lines[0].move
    engine.new_game()
    at_once = engine.search(played, nodes=BUDGETS[0])[0].move == best
    return Candidate(spot, at_once, spot.board.is_capture(chess.Move.from_uci(best)))


def _confirmed(moves: Sequence[str], spot: Spot, *, number: int, engine: Engine) -> dict[str, Any] | None:
    played = moves[: spot.ply]
    engine.new_game()
    lines = engine.search(played, nodes=CONFIRM_NODES, num_lines=2)
    if not one_clear_move(lines, min_score=MIN_SCORE, min_gap=MIN_GAP):
        return None
    best, second = lines
    budget = difficulty(played, best.move, engine=engine)
    if budget is None:
        return None
    return {
        "id": f"puzzle-{number}-{spot.ply}",
        **location(moves, spot, number=number),
        "solution": best.move,
        "difficulty": budget,
        "is_capture": spot.board.is_capture(chess.Move.from_uci(best.move)),
        "best_cp": best.score,
        "second_cp": second.score,
        "mate_in": (MATE - best.score + 1) // 2 if best.score > MATE - 1_000 else 0,
    }


def choose_puzzles(rows: Rows, *, seed: int, target: int, max_one_node: float, max_captures: float) -> Rows:
    """Return at most `target` puzzles in seeded order, as many as the two quotas allow.

    Rows are taken in a seeded order, those that one node does not find first; a row that would break a quota of the
    final number is passed over. Where that leaves too few, the number is lowered until it fits.
    """
    rows = without_duplicates(sorted(rows, key=lambda row: row["game"]))
    order = generator(seed, "choose puzzles").permutation(len(rows)).tolist()
    scarce_first = sorted(order, key=lambda place: rows[place]["difficulty"] == BUDGETS[0])
    for size in range(min(target, len(rows)), 0, -1):
        chosen = _within(rows, scarce_first, size, int(max_one_node * size), int(max_captures * size))
        if len(chosen) == size:
            return [rows[place] for place in order if place in chosen]
    return []


def _within(rows: Rows, places: Sequence[int], size: int, one_node: int, captures: int) -> set[int]:
    chosen: set[int] = set()
    for place in places:
        easy, capture = rows[place]["difficulty"] == BUDGETS[0], rows[place]["is_capture"]
        if len(chosen) == size or (easy and one_node == 0) or (capture and captures == 0):
            continue
        one_node -= easy
        captures -= capture
        chosen.add(place)
    return chosen
