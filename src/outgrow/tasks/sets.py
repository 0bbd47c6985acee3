"""A set of labelled texts: one row of a table says how its columns become texts, classes and groups. Knows no set.

A set is of one of two kinds. Each row has a class; or each row is a question with answers, and becomes one text an
answer, of which a right and a wrong one are used and all make the natural figure.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from outgrow.errors import StepError
from outgrow.examples import Examples
from outgrow.seeds import derive
from outgrow.tasks.base import Located, Rows, Task, Where
from outgrow.tasks.grouping import groups_of, normal
from outgrow.tasks.rows import Origin, Row, StoredRow, locate_rows, stored_rows

HIDDEN = -1
"""What sets give for the label of rows whose answers are kept secret."""
NO_LABEL, SAME_ANSWERS = "rows without a label", "questions whose answers are all the same text"
WRONG, RIGHT = 0, 1
PLAIN = (str, int, float, bool)
"""What can be put into a text."""
ANY = (*PLAIN, type(None))
"""What a label may be: JSON and Parquet hold numbers, CSV holds text, and what is blank is hidden."""


class BadValueError(ValueError):
    """A column of a row holds what it must not."""

    def __init__(self, column: str, value: object, wanted: str) -> None:
        super().__init__(f"the column {column} is {value!r:.60}, not {wanted}")


@dataclass(frozen=True)
class TextSet:
    """How the rows of a set become examples.

    columns: the columns it needs, and the type of each. label: those of them that no text is made from. format:
    (row without those, number of the answer) -> text. truth: row -> class or number of the right answer, or HIDDEN.
    answers: row without label -> how many answers it has; None where rows have a class. fields: row -> row without
    label, where leaving out columns is not enough. group: row without label -> keys that its group shares.
    """

    origin: Origin
    about: str
    columns: Mapping[str, type | tuple[type, ...]]
    label: tuple[str, ...]
    format: Callable[[Row, int], str]
    truth: Callable[[Row], int]
    group: Callable[[Row], Iterable[Hashable]]
    answers: Callable[[Row], int] | None = None
    fields: Callable[[Row], Row] | None = None
    kin: Callable[[Sequence[str]], Sequence[Sequence[Hashable]]] | None = None
    """All texts -> further keys for each."""
    classes: tuple[str, ...] = ("wrong", "right")
    verbalizer: tuple[str, ...] = ("0", "1")
    balanced: bool = True
    instruction: str = ""
    words: tuple[str, ...] = ("no", "yes")
    verified: bool = False

    @property
    def name(self) -> str:
        """The task's name."""
        return self.origin.task

    def task(self, *, known: Sequence[str] = ()) -> Task:
        """Return the set as a task."""

        def locate(where: Where) -> Located:
            return locate_rows(self.origin, where, columns=self.columns, known=known)

        def read(spec: Mapping[str, Any], places: Mapping[str, str]) -> Rows:
            return self.rows(stored_rows(spec, places, columns=tuple(self.columns)))

        natural: Literal["accuracy", "question"] = "accuracy" if self.answers is None else "question"
        hub = f"{self.origin.hub} {self.origin.config}".strip()
        return Task(
            name=self.name,
            family="nlp",
            about=self.about,
            head="class",
            options=lambda: self.classes,
            shared=True,
            balanced=self.balanced,
            locate=locate,
            read=read,
            verbalizer=self.verbalizer,
            natural=natural,
            verified=self.verified,
            instruction=self.instruction,
            words=self.words,
            source=hub or "files of the user's own",
        )

    def rows(self, stored: Iterable[StoredRow]) -> Rows:
        """Return the rows as examples; StepError names the row, column and value that cannot be used."""
        made = _Made(self)
        for row in stored:
            try:
                made.add(row)
            except BadValueError as error:
                raise StepError(f"the task {self.name}: {row.place}: {error}") from None
        return made.rows()

    def shown(self, row: Row) -> Row:
        """Return what a text may be made from: the row without its label."""
        if self.fields is not None:
            return self.fields(row)
        return {name: value for name, value in row.items() if name not in self.label}

    def checked(self, row: Row) -> Row:
        """Return the row if it has the columns, each of its type; BadValueError names the first that is not so."""
        for column, kind in self.columns.items():
            if column not in row:
                raise BadValueError(column, None, "there")
            if not isinstance(row[column], kind):
                raise BadValueError(column, row[column], KINDS.get(kind, "a text or a number"))
        return row


KINDS: Mapping[Any, str] = {str: "a text", list: "a list of texts", dict: "a table of texts and labels"}


class _Made:
    """Examples as they come in."""

    def __init__(self, text_set: TextSet) -> None:
        self.set = text_set
        self.ids: list[str] = []
        self.questions: list[str] = []
        self.texts: list[str] = []
        self.truth: list[int] = []
        self.keys: list[list[Hashable]] = []
        self.used: list[str] = []
        self.skipped: Counter[str] = Counter()

    def add(self, stored: StoredRow) -> None:
        row = self.set.checked(stored.values)
        truth = self.set.truth(row)
        if truth == HIDDEN:
            self.skipped[NO_LABEL] += 1
            return
        shown = self.set.shown(row)
        keys: list[Hashable] = [("group", i, each) for i, each in enumerate(self.set.group(shown))]
        if self.set.answers is None:
            self._one(stored.id, stored.id, self.set.format(shown, 0), truth, keys)
            return
        number = self.set.answers(shown)
        if not 0 <= truth < number:
            raise BadValueError(" and ".join(self.set.label), truth, f"the number of one of {number} answers")
        texts = [self.set.format(shown, i) for i in range(number)]
        wrong = wrong_answer(texts, truth, question=stored.id)
        if wrong is None:
            self.skipped[SAME_ANSWERS] += 1
            return
        keys.append(("question", stored.id))
        for i, text in enumerate(texts):
            if i == truth or text != texts[truth]:
                self._one(f"{stored.id}/{i}", stored.id, text, RIGHT if i == truth else WRONG, keys)
        self.used += [f"{stored.id}/{i}" for i in sorted((truth, wrong))]

    def _one(self, each: str, question: str, text: str, truth: int, keys: list[Hashable]) -> None:
        self.ids.append(each)
        self.questions.append(question)
        self.texts.append(text)
        self.truth.append(truth)
        self.keys.append([*keys, ("text", normal(text))])

    def rows(self) -> Rows:
        if self.set.kin is not None:
            for keys, each in zip(self.keys, self.set.kin(self.texts), strict=True):
                keys += [("kin", key) for key in each]
        groups = tuple(groups_of(self.keys, self.questions))
        every = Examples(tuple(self.ids), groups, tuple(self.texts), np.array(self.truth, np.int64))
        used = tuple(self.used) if self.set.answers is not None else None
        return Rows(every, used, tuple(self.questions), dict(self.skipped))


def wrong_answer(texts: Sequence[str], right: int, *, question: str) -> int | None:
    """Return which wrong answer a question is used with: drawn from its id alone, never one of the right one's text.

    None where there is no other text.
    """
    others = [i for i, text in enumerate(texts) if text != texts[right]]
    return others[derive(0, "wrong answer", question) % len(others)] if others else None
