"""What a task is, and how it is found and read. Knows no set and no family."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from outgrow.dag.store import file_sha256
from outgrow.errors import StepError, UsageError
from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels
from outgrow.hub import Lock

ASSETS = Path(__file__).parents[1] / "assets" / "tasks"


@dataclass(frozen=True)
class Where:
    """Where a study looks for a task's rows.

    data: the file or folder that the study names for this task. data_dir: a folder with one folder a task. lock: the
    revisions of what comes from the hub. The first that is given counts; nothing falls back silently.
    """

    data: str | None = None
    data_dir: str | None = None
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True)
class Located:
    """Rows that were found: `spec` says which they are (hashes, revisions) and is hashed, `places` where they lie."""

    spec: dict[str, Any]
    places: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """What a task's files hold.

    every: all rows, in the natural mix of classes or with all options of every question. used: the ids of those that
    splits are cut from (None: all of them). questions: for `every` row the question it belongs to, where the natural
    figure counts questions. skipped: by reason, the rows that were left out.
    """

    every: Examples
    used: tuple[str, ...] | None = None
    questions: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def examples(self) -> Examples:
        """The rows that splits are cut from."""
        return self.every if self.used is None else self.every.take(self.used)


@dataclass(frozen=True)
class Task:
    """A source of examples with ground truth, and what kind of choice they are.

    `shared`: the same K classes in every row, or exchangeable options whose order means nothing. `balanced`: every
    split has the same number of rows of each class, by construction. `head` tells what scores the options; `text` says
    that there are none: labels are free text, which a language model writes. `locate` runs when a study is planned,
    `read` in the worker, on what `locate` found.
    """

    name: str
    family: Literal["chess", "nlp", "preference"]
    about: str
    head: Literal["class", "token", "reward", "text"]
    options: Callable[[], tuple[str, ...]]
    shared: bool
    balanced: bool
    locate: Callable[[Where], Located]
    read: Callable[[Mapping[str, Any], Mapping[str, str]], Rows]
    asset: str = ""
    """The shipped file, if there is one."""
    diagnose: Callable[[Labels, Examples], dict[str, float]] = lambda labels, examples: {}
    """Further figures about predictions that only this family can tell."""
    max_new_tokens: int = 0
    """Where labels are free text (`text`): the most tokens that an answer may have. There are no options then."""
    diagnose_texts: Callable[[TextLabels, Examples], dict[str, float]] = lambda labels, examples: {}
    """`diagnose`, where labels are free text."""
    models: str = ""
    """The ladder whose sizes a study may name; where empty, models are folders or come from the hub."""
    verbalizer: tuple[str, ...] = ()
    """For the class head: the answer token of every class, whose unembedding rows it starts from; empty: zeros. For the
    reward head: any one token, as in the paper."""
    natural: Literal["", "accuracy", "question"] = ""
    """The second figure, on the natural mix of test rows: plain accuracy, or the share of questions whose right answer
    scores highest."""
    verified: bool = True
    """Whether the task was tried on real rows."""
    instruction: str = ""
    """For prompting: what is asked of every text, in one sentence."""
    words: tuple[str, ...] = ()
    """For prompting: the answer that stands for each class."""
    source: str = ""
    """Where the rows are from: a citation or a hub name."""
    dialogues: bool = False
    """Whether every prompt is a dialogue in the form of `tasks.dialogue`."""
    background: Callable[[Mapping[str, Any], Mapping[str, str]], Examples] | None = None
    """For generative finetuning: texts by group, each a prompt with one completion, on what `locate` found; None: the
    rows' own prompts and completions."""

    @property
    def num_options(self) -> int:
        """Return K."""
        return len(self.options())

    def rows(self, where: Where | None = None) -> Rows:
        """Locate and read in one: for scripts, outside of a study."""
        located = self.locate(where or Where())
        return self.read(located.spec, located.places)


def one_file(name: str, asset: str = "") -> Callable[[Where], Located]:
    """Return how a task that is one file is located: the file named, or the shipped one; `data_dir` is not for it."""

    def locate(where: Where) -> Located:
        if where.data is None and not asset:
            raise UsageError(f"the task {name} is not shipped: name its file under data in the study")
        path = Path(where.data).expanduser() if where.data is not None else ASSETS / asset
        if not path.is_file():
            raise UsageError(f"the task {name} has no file {path}")
        return Located({"sha256": file_sha256(path)}, {"data": str(path)})

    return locate


def of_one_file(read: Callable[[Path], Examples]) -> Callable[[Mapping[str, Any], Mapping[str, str]], Rows]:
    """Return how the rows of a located file are read, after a check that it is still the same file."""

    def checked(spec: Mapping[str, Any], places: Mapping[str, str]) -> Rows:
        path = unchanged(Path(places["data"]), spec["sha256"])
        try:
            return Rows(read(path))
        except (ValueError, KeyError, TypeError) as error:  # pyarrow's errors are ValueErrors
            raise StepError(f"{path} has not the form of this task's rows: {error}") from None

    return checked


def unchanged(path: Path, sha256: str) -> Path:
    """Return the path of a file that has the hash it had when the study was planned; else raise StepError."""
    try:
        same = file_sha256(path) == sha256
    except OSError as error:
        raise StepError(f"{path} cannot be read ({error.strerror}): run the study again if it was moved") from None
    if not same:
        raise StepError(f"{path} has changed since the study was planned: run the study again")
    return path
