"""Moves that lose much or nothing, from games and at random, and how they make a balanced binary task.

A short search guesses what a move loses, so that long ones are spent on moves that are likely to be wanted; the
long ones alone decide. Positions that are decided already are left out: nothing can be thrown away there.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import chess
import numpy as np
import pyarrow as pa

from outgrow.chess.engine import Engine
from outgrow.chess.mining import Rows, Spot, even_spots, location, without_duplicates
from outgrow.seeds import generator

SOURCES = ("played", "random")
SCREEN_NODES, TRUTH_NODES = 500, 20_000
GOOD_LOSS, BLUNDER_LOSS = 25, 150
GUESSED_GOOD, GUESSED_BLUNDER = 25, 130
MAX_SCORE = 400
SPOT_SHARE = 0.5
MAX_SCREENED, MAX_CONFIRMATIONS = 20, 2
BLUNDERS_WANTED = {"played": 0.6, "random": 0.3}
"""How often a blunder is looked for first: more often where blunders are rare, so that few rows are left over."""

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "game": pa.int32(),
        "moves": pa.string(),
        "fen": pa.string(),
        "move": pa.string(),
        "label": pa.int8(),
        "loss_cp": pa.int32(),
        "best_cp": pa.int32(),
        "screened_loss_cp": pa.int32(),
        "is_capture": pa.bool_(),
        "source": pa.string(),
    }
)


def blunders_of_game(
    moves: Sequence[str], *, number: int, first: int, seed: int, engine: Engine, counts: Counter[str]
) -> Rows:
    """Return at most one row of each source from a game. Which label is looked for first is drawn by lot."""
    rng = generator(seed, "blunders", number)
    spots = even_spots(moves, first=first, rng=rng, share=SPOT_SHARE)
    rows: Rows = []
    for source in SOURCES:
        wanted = int(rng.random() < BLUNDERS_WANTED[source])
        order = [spots[i] for i in rng.permutation(len(spots)) if spots[i].ply not in {row["ply"] for row in rows}]
        found = _first_decided(moves, order[:MAX_SCREENED], wanted, source, rng=rng, engine=engine, counts=counts)
        if found is not None:
            rows.append({"id": f"blunder-{number}-{found['ply']}", **found, "game": number})
    return rows


def _first_decided(
    moves: Sequence[str],
    spots: Sequence[Spot],
    wanted: int,
    source: str,
    *,
    rng: np.random.Generator,
    engine: Engine,
    counts: Counter[str],
) -> dict[str, Any] | None:
    confirmations = 0
    engine.new_game()
    for spot in spots:
        move = moves[spot.ply] if source == "played" else _random_move(spot.board, rng)
        counts[f"{source} screened"] += 1
        guess = move_loss(moves[: spot.ply], move, nodes=SCREEN_NODES, engine=engine, forget=False)
        if guess is None or label_of(guess[0], good=GUESSED_GOOD, blunder=GUESSED_BLUNDER) != wanted:
            continue
        confirmations += 1
        counts[f"{source} confirmations"] += 1
        truth = move_loss(moves[: spot.ply], move, nodes=TRUTH_NODES, engine=engine)
        label = None if truth is None else label_of(truth[0], good=GOOD_LOSS, blunder=BLUNDER_LOSS)
        if truth is not None and label is not None:
            return {
                **location(moves, spot, number=0),
                "ply": spot.ply,
                "move": move,
                "label": label,
                "loss_cp": truth[0],
                "best_cp": truth[1],
                "screened_loss_cp": guess[0],
                "is_capture": spot.board.is_capture(chess.Move.from_uci(move)),
                "source": source,
            }
        if confirmations == MAX_CONFIRMATIONS:
            break
    return None


def move_loss(
    played: Sequence[str], move: str, *, nodes: int, engine: Engine, forget: bool = True
) -> tuple[int, int] | None:
    """Return what a move loses against the best one, and the value of the best one, both in centipawns.

    Two searches of `nodes`, unless the move is the best; the engine forgets everything before each, unless told not
    to. None where the position is decided already.
    """
    if forget:
        engine.new_game()
    best = engine.search(played, nodes=nodes)[0]
    if abs(best.score) > MAX_SCORE:
        return None
    if best.move == move:
        return 0, best.score
    if forget:
        engine.new_game()
    value = engine.search(played, nodes=nodes, only=[move])[0].score
    return max(0, best.score - value), max(best.score, value)


def label_of(loss: int, *, good: int, blunder: int) -> int | None:
    """Return 1 for a blunder, 0 for a good move, None for what lies between."""
    if loss >= blunder:
        return 1
    return 0 if loss <= good else None


def _random_move(board: chess.Board, rng: np.random.Generator) -> str:
    legal = sorted(move.uci() for move in board.legal_moves)
    return legal[int(rng.integers(len(legal)))]


def choose_blunders(rows: Rows, *, seed: int, target: int) -> Rows:
    """Return at most `target` rows in seeded order, as many of each label within each source.

    Left out: a position that turns out to be decided because the move is better than what seemed best.
    """
    undecided = (row for row in rows if abs(row["best_cp"]) <= MAX_SCORE)
    rows = without_duplicates(sorted(undecided, key=lambda row: (row["game"], row["id"])))
    order = generator(seed, "choose blunders").permutation(len(rows))
    cells: dict[tuple[str, int], list[int]] = {(source, label): [] for source in SOURCES for label in (0, 1)}
    for place in order:
        cells[rows[place]["source"], rows[place]["label"]].append(int(place))
    size = min(target // len(cells), *map(len, cells.values()))
    kept = {place for places in cells.values() for place in places[:size]}
    return [rows[place] for place in order if place in kept]
