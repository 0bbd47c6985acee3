"""Seeded games between engines of mixed skill: the played moves are what the ladder learns from."""

from dataclasses import dataclass

import chess
import numpy as np

from outgrow.chess.engine import Engine, weakened_choice
from outgrow.seeds import generator

SKILLS = (2, 5, 8, 11, 14, 17, 20)
NODES = (60, 150, 300)
MAX_PLIES = 200
MAX_OPENING_PLIES = 8
CANDIDATES = 4
RESIGN_SCORE, RESIGN_PLIES = 2_000, 8
"""A side that is this far behind for this many plies resigns: long lost endings teach little."""


@dataclass(frozen=True)
class Game:
    """One game: its number, its moves in UCI notation, and how strong each side played."""

    number: int
    moves: tuple[str, ...]
    opening_plies: int
    skills: tuple[int, int]
    nodes: tuple[int, int]


def play_game(number: int, *, seed: int, engine: Engine) -> Game:
    """Play one game from a random opening; it ends by the rules, by resignation, by repetition or at 200 plies."""
    rng = generator(seed, "selfplay", number)
    skills = (int(rng.choice(SKILLS)), int(rng.choice(SKILLS)))
    nodes = (int(rng.choice(NODES)), int(rng.choice(NODES)))
    moves = _random_opening(int(rng.integers(MAX_OPENING_PLIES + 1)), rng)
    opening_plies, behind = len(moves), 0
    engine.new_game()
    while len(moves) < MAX_PLIES:
        side = len(moves) % 2
        lines = engine.search(moves, nodes=nodes[side], num_lines=CANDIDATES)
        if not lines:
            break
        moves.append(weakened_choice(lines, skill=skills[side], rng=rng).move)
        behind = behind + 1 if abs(lines[0].score) > RESIGN_SCORE else 0
        if behind == RESIGN_PLIES or moves[-4:] == moves[-8:-4]:
            break
    return Game(number, tuple(moves), opening_plies, skills, nodes)


def _random_opening(plies: int, rng: np.random.Generator) -> list[str]:
    board = chess.Board()
    for _ in range(plies):
        legal = list(board.legal_moves)
        if not legal:  # a fool's mate: the engine will find no move either, and the game is over
            break
        board.push(legal[int(rng.integers(len(legal)))])
    return [move.uci() for move in board.move_stack]
