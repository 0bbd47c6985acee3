"""Pairs of legal moves of which the engine holds one for the better, and which of them make the task.

At most one pair a game. Half of the pairs have the move that was played, half have two that were not: the ladder
learnt to play what was played, so its first guess is no guide to the second kind. Both moves are searched alone,
from the position as a model sees it: without the game before it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import chess
import numpy as np
import pyarrow as pa

from outgrow.chess.encoding import move_word
from outgrow.chess.engine import Engine
from outgrow.chess.mining import Rows, Spot, even_spots, location, without_duplicates
from outgrow.seeds import generator

NODES = 10_000
"""Nodes a move. With 3,000 one pair in twenty has another better move at 100,000, most of them at small margins."""
MAX_SCORE = 1_000
"""Values are cut to ten pawns, mates too: what lies beyond is decided, and is no reason to prefer a move."""
MIN_MARGIN = 60
MAX_TRIED = 6

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "game": pa.int32(),
        "moves": pa.string(),
        "fen": pa.string(),
        "first": pa.string(),
        "second": pa.string(),
        "better": pa.int8(),
        "played": pa.int8(),
        "first_cp": pa.int16(),
        "second_cp": pa.int16(),
        "margin_cp": pa.int16(),
    }
)
"""`better` and `played`: 0 for the first move, 1 for the second; `played` is null where neither was."""
TASK_SCHEMA = SCHEMA.remove(SCHEMA.get_field_index("fen"))
"""The position follows from the moves: a fifth of the file, and two seconds to find again."""


def pair_of_game(
    moves: Sequence[str], *, number: int, first: int, seed: int, engine: Engine, counts: Counter[str]
) -> dict[str, Any] | None:
    """Return one pair of a game, or None where no pair tried is far enough apart. Its kind is drawn by lot."""
    rng = generator(seed, "preferences", number)
    with_played = bool(rng.integers(2))
    spots = even_spots(moves, first=first, rng=rng)
    for place in rng.permutation(len(spots))[:MAX_TRIED]:
        spot = spots[place]
        # From the position alone, as a mirrored or repeated one has the same words.
        pair = drawn_pair(
            spot.board, moves[spot.ply], with_played=with_played, rng=generator(seed, "pair", spot.canonical)
        )
        if pair is None:
            continue
        counts["tried"] += 1
        found = judged(spot, pair, engine=engine)
        if found is not None:
            played = pair.index(moves[spot.ply]) if with_played else None
            where = location(moves, spot, number=number)
            return {"id": f"preference-{number}-{spot.ply}", **where, **found, "played": played}
    return None


def drawn_pair(
    board: chess.Board, played: str, *, with_played: bool, rng: np.random.Generator
) -> tuple[str, str] | None:
    """Return two legal moves in random order: the played one and another, or two others. None if there are too few."""
    others = sorted(
        (move for move in board.legal_moves if move.uci() != played), key=lambda move: move_word(move, board.turn)
    )
    drawn = [others[i].uci() for i in rng.permutation(len(others))]
    pair = [played, *drawn] if with_played else drawn
    if len(pair) < 2:
        return None
    return (pair[0], pair[1]) if rng.integers(2) else (pair[1], pair[0])


def judged(spot: Spot, pair: tuple[str, str], *, engine: Engine) -> dict[str, Any] | None:
    """Return the moves, their values and which is better; None where the values are too close."""
    scores = [move_score(spot.board.fen(), move, nodes=NODES, engine=engine) for move in pair]
    margin = abs(scores[0] - scores[1])
    if margin < MIN_MARGIN:
        return None
    return {
        "first": pair[0],
        "second": pair[1],
        "better": int(scores[1] > scores[0]),
        "first_cp": scores[0],
        "second_cp": scores[1],
        "margin_cp": margin,
    }


def move_score(fen: str, move: str, *, nodes: int, engine: Engine) -> int:
    """Return the value of a move for who makes it, in centipawns, cut to MAX_SCORE; the engine forgets all before."""
    engine.new_game()
    score = engine.search(fen=fen, nodes=nodes, only=[move])[0].score
    return max(-MAX_SCORE, min(MAX_SCORE, score))


def choose_preferences(rows: Rows, *, seed: int, target: int) -> Rows:
    """Return at most `target` pairs in seeded order, as many with the played move as without, no position twice."""
    rows = without_duplicates(sorted(rows, key=lambda row: row["game"]))
    order = generator(seed, "choose preferences").permutation(len(rows))
    kinds: dict[bool, list[int]] = {True: [], False: []}
    for place in order:
        kinds[rows[place]["played"] is None].append(int(place))
    size = min(target // 2, *map(len, kinds.values()))
    kept = {place for places in kinds.values() for place in places[:size]}
    return [rows[place] for place in order if place in kept]
