"""The preference family: which of two completions is the better one. Chess moves are shipped, texts are not.

Options are exchangeable: the order of completions is seeded for chess and a hash of the texts elsewhere, and
`tasks.pairs.swapped` turns any of them around. Knows no model.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess
import numpy as np

from outgrow.chess.encoding import canonical_parity, move_word, position_words
from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.seeds import generator
from outgrow.tasks.base import Located, Rows, Task, Where, of_one_file, one_file, unchanged
from outgrow.tasks.comparisons import Comparison, Reader, Skipped
from outgrow.tasks.grouping import groups_of, normal
from outgrow.tasks.pairs import capture_control, length_control, margin_bands, together
from outgrow.tasks.rows import Origin, StoredRow, locate_rows, stored_rows
from outgrow.tasks.sets import BadValueError

MOST_BEFORE = 4
"""Moves of a game that generative finetuning sees."""
CHESS_BANDS = (60.0, 120.0, 250.0, 500.0)
"""Centipawns: the smaller the margin, the harder the pair."""


def read_chess_pairs(path: Path) -> Examples:
    """Read mined pairs: the text is the position, the completions are the two moves' words, truth is the better one."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    boards = [board_after(row["moves"].split()) for row in rows]
    return Examples(
        tuple(str(row["id"]) for row in rows),
        tuple(str(row["game"]) for row in rows),
        tuple(" ".join(position_words(board)) for board in boards),
        np.array([row["better"] for row in rows], np.int64),
        tuple(move_pair(row, turn=board.turn) for row, board in zip(rows, boards, strict=True)),
        tuple(float(row["margin_cp"]) for row in rows),
    )


def board_after(moves: Iterable[str]) -> chess.Board:
    """Return the position after these moves, which must be legal: that is not checked."""
    board = chess.Board()
    for move in moves:
        board.push(chess.Move.from_uci(move))
    return board


def move_pair(row: Mapping[str, Any], *, turn: chess.Color) -> tuple[str, str]:
    """Format the two moves as words in the frame of `turn`, first and second. Which is better is not read.

    Each begins with a blank, as completions do: prompt and completion are one text.
    """
    first, second = (f" {move_word(chess.Move.from_uci(row[name]), turn)}" for name in ("first", "second"))
    return first, second


@dataclass(frozen=True)
class PairSet:
    """A set of comparisons of texts: where its rows are, what they must have, and how each becomes comparisons."""

    origin: Origin
    about: str
    columns: tuple[str, ...]
    reader: Reader
    further: tuple[str, ...] = ()
    """Columns that some forms of the set have and others have not."""
    options: tuple[str, ...] = ("first", "second")
    diagnose: Callable[[Labels, Examples], dict[str, float]] = length_control
    verified: bool = False
    dialogues: bool = True
    """Whether prompts are dialogues, which a chat template can be put on."""

    def task(self, *, known: Sequence[str] = ()) -> Task:
        """Return the set as a task; `known` are names of sets that a misspelt one may have meant."""

        def locate(where: Where) -> Located:
            return locate_rows(self.origin, where, columns=self.columns, known=known)

        def read(spec: Mapping[str, Any], places: Mapping[str, str]) -> Rows:
            return self.rows(stored_rows(spec, places, columns=(*self.columns, *self.further)))

        return Task(
            name=self.origin.task,
            family="preference",
            about=self.about,
            head="reward",
            options=lambda: self.options,
            shared=False,
            balanced=False,
            locate=locate,
            read=read,
            diagnose=self.diagnose,
            verbalizer=("1",),
            verified=self.verified,
            dialogues=self.dialogues,
            source=f"{self.origin.hub} {self.origin.config}".strip() or "files of the user's own",
        )

    def rows(self, stored: Iterable[StoredRow]) -> Rows:
        """Return the rows as examples; those that make no comparison are counted by reason.

        StepError names a row that is not of this set, and the column.
        """
        made: list[tuple[str, Comparison]] = []
        skipped: Counter[str] = Counter()
        for row in stored:
            try:
                found = list(self.reader(row.values))
            except Skipped as reason:
                found = [reason]
            except BadValueError as error:
                raise StepError(f"the task {self.origin.task}: {row.place}: {error}") from None
            except KeyError as error:
                missing = f"the column {error.args[0]} is not there"
                raise StepError(f"the task {self.origin.task}: {row.place}: {missing}") from None
            except (IndexError, TypeError, ValueError, AttributeError) as error:
                raise StepError(
                    f"the task {self.origin.task}: {row.place} is not a row of this set: {error!r}"
                ) from None
            for each in found:
                if isinstance(each, Skipped):
                    skipped[str(each)] += 1
                    continue
                if len(each.completions) > len(self.options):
                    most = f"{len(each.completions)} completions, the task has at most {len(self.options)}"
                    raise StepError(f"the task {self.origin.task}: {row.place} has {most}")
                made.append((f"{row.id}:{each.tag}" if each.tag else row.id, each))
        return Rows(as_examples(made), skipped=dict(skipped))


def as_examples(made: Sequence[tuple[str, Comparison]]) -> Examples:
    """Return comparisons and their ids as examples. Rows of one group or one prompt are one group.

    Margins are kept where every row has one.
    """
    ids = [each for each, _ in made]
    keys: list[list[Hashable]] = [
        [("group", normal(one.group)), ("prompt", normal(one.prompt)), *(("kin", *each) for each in enumerate(one.kin))]
        for _, one in made
    ]
    margins = [one.margin for _, one in made]
    return Examples(
        tuple(ids),
        tuple(groups_of(keys, ids)),
        tuple(one.prompt for _, one in made),
        np.array([one.preferred for _, one in made], np.int64),
        tuple(one.completions for _, one in made),
        tuple(each for each in margins if each is not None) if None not in margins else (),
    )


def chess_background(spec: Mapping[str, Any], places: Mapping[str, str]) -> Examples:
    """Read moves of the pairs' games as language: before the pair's position, in positions that pretraining may see.

    The prompt is a position, the completion the move as played. At most MOST_BEFORE a game, drawn by its id.
    """
    import pyarrow.parquet as pq

    path = unchanged(Path(places["data"]), spec["sha256"])
    found: list[tuple[str, str, str, str]] = []
    for row in pq.read_table(path, columns=["id", "game", "moves"]).to_pylist():
        moves = row["moves"].split()
        plies = generator(0, "background", row["id"]).permutation(len(moves))
        board, positions = chess.Board(), {}
        wanted = {int(ply) for ply in plies[: 2 * MOST_BEFORE]}  # about half of all positions are odd
        for ply, uci in enumerate(moves):
            move = chess.Move.from_uci(uci)
            if ply in wanted:
                words = position_words(board)
                if canonical_parity(words):
                    positions[ply] = (" ".join(words), f" {move_word(move, board.turn)}")
            board.push(move)
        kept = [ply for ply in plies if ply in positions][:MOST_BEFORE]
        found += [(f"{row['id']}:{ply}", str(row["game"]), *positions[ply]) for ply in sorted(kept)]
    ids, groups, texts, played = zip(*found, strict=True)
    return Examples(ids, groups, texts, np.zeros(len(ids), np.int64), tuple((move,) for move in played))


CHESS_PREFERENCE = Task(
    name="chess-preference",
    family="preference",
    about="Which of two legal moves is better by the engine, by at least 0.6 pawns; one pair a self-play game.",
    head="reward",
    options=lambda: ("first", "second"),
    shared=False,
    balanced=False,
    locate=one_file("chess-preference", "chess-preference.parquet"),
    read=of_one_file(read_chess_pairs),
    asset="chess-preference.parquet",
    diagnose=together(margin_bands(*CHESS_BANDS), capture_control),
    models="chess",
    background=chess_background,
)
