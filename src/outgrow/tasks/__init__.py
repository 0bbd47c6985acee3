"""The table of tasks: rows become examples, one small file a family. No torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from outgrow.chess.encoding import move_words
from outgrow.errors import UsageError, unknown
from outgrow.examples import Examples, Labels
from outgrow.tasks import chess

ASSETS = Path(__file__).parents[1] / "assets" / "tasks"


@dataclass(frozen=True)
class Task:
    """A source of examples with ground truth, and what kind of choice they are.

    `shared`: the same K classes in every row, or exchangeable options whose order means nothing. `balanced`: every
    split has the same number of rows of each class, by construction. `asset`: the shipped file, if there is one.
    """

    name: str
    family: Literal["chess", "nlp", "preference"]
    about: str
    head: Literal["class", "token"]
    options: Callable[[], tuple[str, ...]]
    shared: bool
    balanced: bool
    read: Callable[[Path], Examples]
    asset: str = ""
    diagnose: Callable[[Labels, Examples], dict[str, float]] = lambda labels, examples: {}
    """Further figures about predictions that only this family can tell."""
    models: str = "chess"
    """The ladder whose sizes a study may name."""

    @property
    def num_options(self) -> int:
        """Return K."""
        return len(self.options())

    def source(self, data: str | None) -> Path:
        """Return the file to read: the one named, or the shipped one."""
        if data is None and not self.asset:
            raise UsageError(f"the task {self.name} is not shipped: name its file under data in the study")
        path = Path(data).expanduser() if data is not None else ASSETS / self.asset
        if not path.is_file():
            raise UsageError(f"the task {self.name} has no file {path}")
        return path


TASKS = {
    task.name: task
    for task in (
        Task(
            name="chess-puzzle",
            family="chess",
            about="Find the one clearly best move of a position; positions mined from engine self-play.",
            head="token",
            options=move_words,
            shared=False,
            balanced=False,
            read=chess.read_puzzles,
            asset="chess-puzzle.parquet",
            diagnose=chess.illegal_mass,
        ),
        Task(
            name="chess-blunder",
            family="chess",
            about="Does this move lose at least 1.5 pawns, or is it within a quarter pawn of the best?",
            head="class",
            options=lambda: ("good", "blunder"),
            shared=True,
            balanced=True,
            read=chess.read_blunders,
            asset="chess-blunder.parquet",
        ),
        Task(
            name="lichess-puzzle",
            family="chess",
            about="The first move of a lichess puzzle, from lichess's puzzle CSV (data: FILE).",
            head="token",
            options=move_words,
            shared=False,
            balanced=False,
            read=chess.read_lichess,
            diagnose=chess.illegal_mass,
        ),
    )
}


def find_task(name: str) -> Task:
    """Return the task of this name; UsageError names the nearest ones."""
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]
