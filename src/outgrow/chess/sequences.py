"""Self-play games as pretraining sequences: a position and the next three plies as played. Arrays only, no torch.

Legend: N sequences, L the longest position in words, P plies. Sequences start at positions of odd canonical hash, and
plies played at even ones get no loss: even positions are for tasks (`encoding.canonical_parity`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import chess
import numpy as np

from outgrow.chess.encoding import canonical_parity, mirrored_uci, move_word, position_words, word_ids

MAX_POSITION_WORDS = 35
PLIES = 3
NO_LOSS = -100
HELD_OUT_EVERY = 50
"""Every 50th game is held out: its positions are never trained on, wherever else they occur."""

Arrays: TypeAlias = dict[str, np.ndarray]


def game_sequences(moves: Sequence[str], *, game: int, skip: int) -> list[dict[str, object]]:
    """Return the sequences of one game, one for each odd position from ply `skip` on (random opening moves)."""
    ids, board, found = word_ids(), chess.Board(), []
    odd, starts = [], {}
    for ply, uci in enumerate(moves):
        words = position_words(board)
        odd.append(bool(canonical_parity(words)) and ply >= skip)
        if odd[-1]:
            legal = [ids[move_word(move, board.turn)] for move in board.legal_moves]
            starts[ply] = ([ids[word] for word in words], _hash(words), legal)
        board.push(chess.Move.from_uci(uci))
    for ply, (tokens, position_hash, legal) in starts.items():
        following = moves[ply : ply + PLIES]
        frame = list(following) if ply % 2 == 0 else [mirrored_uci(uci) for uci in following]
        plies = [ids[uci] for uci in frame]
        targets = [token if odd[ply + i] else NO_LOSS for i, token in enumerate(plies)]
        found.append(
            {"tokens": tokens, "plies": plies, "targets": targets, "legal": legal, "hash": position_hash, "game": game}
        )
    return found


def _hash(words: Iterable[str]) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), "big") >> 1


def as_arrays(rows: Sequence[Mapping[str, object]]) -> Arrays:
    """Return sequences as arrays: tokens_NL (0 padded), length_N, plies_NP and targets_NP, legal moves (ragged)."""
    tokens_NL = np.zeros((len(rows), MAX_POSITION_WORDS), np.int16)
    plies_NP = np.zeros((len(rows), PLIES), np.int16)
    targets_NP = np.full((len(rows), PLIES), NO_LOSS, np.int16)
    legal: list[list[int]] = []
    for i, row in enumerate(rows):
        for array, name in ((tokens_NL, "tokens"), (plies_NP, "plies"), (targets_NP, "targets")):
            values = row[name]
            assert isinstance(values, list)
            array[i, : len(values)] = values
        legal.append(row["legal"])  # type: ignore[arg-type]
    return {
        "tokens": tokens_NL,
        "length": (tokens_NL != 0).sum(axis=1).astype(np.uint8),
        "plies": plies_NP,
        "targets": targets_NP,
        "legal": np.concatenate([np.asarray(each, np.int16) for each in legal]),
        "legal_count": np.array([len(each) for each in legal], np.uint8),
        "hash": np.array([row["hash"] for row in rows], np.int64),
        "game": np.array([row["game"] for row in rows], np.int32),
    }


def merged(parts: Sequence[Arrays]) -> tuple[Arrays, Arrays]:
    """Return (training, held-out) sequences of many parts, every position once, the first time it was seen.

    Held-out sequences are those of every 50th game; a position that occurs in both is dropped from the training part.
    """
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    held_N = whole["game"] % HELD_OUT_EVERY == 0
    order = np.argsort(~held_N, kind="stable")  # held-out games first, so that they keep what both have
    _, first = np.unique(whole["hash"][order], return_index=True)
    kept = np.sort(order[first])
    return taken(whole, kept[~held_N[kept]]), taken(whole, kept[held_N[kept]])


def taken(arrays: Arrays, rows_M: np.ndarray) -> Arrays:
    """Return the chosen sequences, in that order."""
    starts_N = legal_starts(arrays)
    chosen = {name: array[rows_M] for name, array in arrays.items() if name != "legal"}
    pieces = [arrays["legal"][starts_N[row] : starts_N[row + 1]] for row in rows_M]
    return {**chosen, "legal": np.concatenate(pieces)}


def legal_starts(arrays: Arrays) -> np.ndarray:
    """Return where each sequence's legal moves start in the ragged array, and where the last end: (N + 1,)."""
    return np.concatenate([[0], np.cumsum(arrays["legal_count"], dtype=np.int64)])


def batch_order(length_N: np.ndarray, *, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Return one epoch as rows_SB: shuffled batches of sequences of equal length; odd rests are left out."""
    shuffled_N = rng.permutation(len(length_N))
    batches = []
    for length in np.unique(length_N):
        rows = shuffled_N[length_N[shuffled_N] == length]
        batches.append(rows[: len(rows) // batch * batch].reshape(-1, batch))
    rows_SB = np.concatenate(batches)
    return rows_SB[rng.permutation(len(rows_SB))]
