"""Chess positions and moves as words, seen from the side to move. Knows no model.

A position is one word per piece on its square (`Ke1`: mine, `ke8`: theirs), then castling rights, en passant and
the query `?`; a move is one word (`e2e4`, `a7a8q`). When Black is to move the board is turned upside down and the
colours are swapped, so a position and its colour-flipped twin read the same: that is the canonical form.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import chess

PAD, UNKNOWN, QUERY = "[PAD]", "[UNK]", "?"
PIECES = "PNBRQKpnbrqk"
FILES = "abcdefgh"
CASTLING = tuple("castle:" + ("".join(c for i, c in enumerate("KQkq") if bits >> i & 1) or "-") for bits in range(16))
EN_PASSANT = ("ep:-", *(f"ep:{file}" for file in FILES))


@cache
def move_words() -> tuple[str, ...]:
    """Return the 1,968 moves that some piece could make on some board, in UCI notation, in a fixed order."""
    moves = set()
    for origin in chess.SQUARES:
        reach = chess.BB_RANK_ATTACKS[origin][0] | chess.BB_FILE_ATTACKS[origin][0] | chess.BB_DIAG_ATTACKS[origin][0]
        for target in chess.SquareSet(reach | chess.BB_KNIGHT_ATTACKS[origin]):
            moves.add(chess.Move(origin, target).uci())
            step = chess.square_rank(origin), chess.square_rank(target)
            if step in ((6, 7), (1, 0)) and abs(chess.square_file(origin) - chess.square_file(target)) <= 1:
                moves.update(chess.Move(origin, target, promotion=piece).uci() for piece in (2, 3, 4, 5))
    return tuple(sorted(moves))


@cache
def vocabulary() -> tuple[str, ...]:
    """Return every word, in the order of the tokenizer's ids."""
    pieces = [piece + chess.square_name(square) for piece in PIECES for square in chess.SQUARES]
    return (PAD, UNKNOWN, *pieces, *CASTLING, *EN_PASSANT, QUERY, *move_words())


@cache
def word_ids() -> dict[str, int]:
    """Return the tokenizer id of every word."""
    return {word: i for i, word in enumerate(vocabulary())}


def position_words(board: chess.Board) -> list[str]:
    """Return the words of a position, the query last; 6 to 35 of them."""
    mine, flip = board.turn, 0 if board.turn else 56
    words = []
    for colour, letters in ((mine, "PNBRQK"), (not mine, "pnbrqk")):
        own = board.occupied_co[colour]
        for letter, piece_type in zip(letters, chess.PIECE_TYPES, strict=True):
            squares = board.pieces_mask(piece_type, colour) & own
            words += sorted(letter + chess.SQUARE_NAMES[square ^ flip] for square in chess.scan_forward(squares))
    rights = "".join(
        letter
        for letter, colour, has in (
            ("K", mine, board.has_kingside_castling_rights),
            ("Q", mine, board.has_queenside_castling_rights),
            ("k", not mine, board.has_kingside_castling_rights),
            ("q", not mine, board.has_queenside_castling_rights),
        )
        if has(colour)
    )
    passing = FILES[chess.square_file(board.ep_square)] if board.ep_square and board.has_legal_en_passant() else "-"
    return [*words, f"castle:{rights or '-'}", f"ep:{passing}", QUERY]


def board_of(words: Sequence[str]) -> chess.Board:
    """Return the position of these words (up to the query) with White to move: the inverse of `position_words`."""
    board = chess.Board(None)
    for word in words[: words.index(QUERY)]:
        kind, _, value = word.partition(":")
        if kind == "castle":
            board.set_castling_fen(value)
        elif kind == "ep":
            board.ep_square = None if value == "-" else chess.parse_square(value + "6")
        else:
            board.set_piece_at(chess.parse_square(word[1:]), chess.Piece.from_symbol(word[0]))
    return board


def move_word(move: chess.Move, turn: chess.Color) -> str:
    """Return the word of a move in the frame of `turn`, who need not be the one who makes it."""
    return move.uci() if turn else mirrored_uci(move.uci())


def mirrored_uci(uci: str) -> str:
    """Return the move as it looks from the other side of the board."""
    return uci.translate(_MIRROR)


_MIRROR = str.maketrans("12345678", "87654321")


def canonical_parity(words: Iterable[str]) -> int:
    """Return 0 or 1: even positions are for tasks only, odd ones for pretraining only.

    A function of the words, so of the canonical position: not of clocks, move numbers or colour.
    """
    return hashlib.blake2b(" ".join(words).encode(), digest_size=1).digest()[0] & 1


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and its config: one id a word, split at blanks, padded on the right."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(WordLevel(dict(word_ids()), unk_token=UNKNOWN))
    core.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=core, pad_token=PAD, unk_token=UNKNOWN).save_pretrained(folder)
