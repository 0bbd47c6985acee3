"""Examples, splits and labels. Rows carry ids, joins are by id, a missing id raises. numpy only.

Legend: N rows, K options, T stored options (at most 32).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outgrow.errors import StepError
from outgrow.seeds import derive, generator

STORED_OPTIONS = 32
PAD_LOGIT = -1e9
"""The logit of an option that a row lacks: a finite stand-in for minus infinity, so that 0 x log p is 0."""


@dataclass(frozen=True)
class Examples:
    """Rows ready for a model: an id, a group that never straddles splits, a text, and the right option.

    `completions`: where options are texts, those of every row; rows may have different numbers of them. Else empty.
    `margins`: by how much the right option is the better one, where rows tell, in a unit of the task's own. Else empty.
    `answers`: where labels are free text, the true one of every row, `truth_N` being their numbers. Else empty.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    texts: tuple[str, ...]
    truth_N: np.ndarray
    completions: tuple[tuple[str, ...], ...] = ()
    margins: tuple[float, ...] = ()
    answers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.answers and len(self.answers) != len(self.ids):
            raise StepError(f"{len(self.ids)} rows have {len(self.answers)} answers")
        if self.margins and len(self.margins) != len(self.ids):
            raise StepError(f"{len(self.ids)} rows have {len(self.margins)} margins")
        if self.completions and len(self.completions) != len(self.ids):
            raise StepError(f"{len(self.ids)} rows have {len(self.completions)} lists of completions")
        if len(set(self.ids)) != len(self.ids):
            seen: set[str] = set()
            twice = next(each for each in self.ids if each in seen or seen.add(each))  # type: ignore[func-returns-value]
            raise StepError(f"the id {twice!r} occurs twice: every row needs an id of its own")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {each: row for row, each in enumerate(self.ids)}

    def take(self, ids: Sequence[str]) -> "Examples":
        """Return the rows of these ids, in this order; an id that is not there raises StepError."""
        missing = [each for each in ids if each not in self._rows]
        if missing:
            raise StepError(f"{len(missing)} ids are not among the rows, the first is {missing[0]!r}")
        rows = [self._rows[each] for each in ids]
        return Examples(
            tuple(ids),
            tuple(self.groups[r] for r in rows),
            tuple(self.texts[r] for r in rows),
            self.truth_N[rows],
            tuple(self.completions[r] for r in rows) if self.completions else (),
            tuple(self.margins[r] for r in rows) if self.margins else (),
            tuple(self.answers[r] for r in rows) if self.answers else (),
        )

    def ranks(self, num_options: int) -> np.ndarray | None:
        """Return the place of every completion in the order of its row's texts, rank_NK; None where there are none.

        What ties is decided by it: the order in which completions happen to stand may decide nothing.
        """
        if not self.completions:
            return None
        rank_NK = np.full((len(self), num_options), num_options)
        for row, texts in enumerate(self.completions):
            rank_NK[row, sorted(range(len(texts)), key=texts.__getitem__)] = range(len(texts))
        return rank_NK

    def group_numbers(self) -> list[int]:
        """Return the group of every row as a number, in order of first appearance."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(group, len(numbers)) for group in self.groups]


@dataclass(frozen=True)
class Labels:
    """A probability vector over K options for every id, of which the largest T are stored.

    The remainder is spread evenly over the options that are not stored, in training and in every metric.
    """

    ids: tuple[str, ...]
    options_NT: np.ndarray
    probabilities_NT: np.ndarray
    num_options: int

    @classmethod
    def from_dense(
        cls, ids: Sequence[str], probabilities_NK: np.ndarray, *, rank_NK: np.ndarray | None = None
    ) -> "Labels":
        """Return the labels of these vectors; ties are stored lowest option first, or in the order of `rank_NK`."""
        num_options = probabilities_NK.shape[1]
        stored = min(num_options, STORED_OPTIONS)
        if rank_NK is None:
            options_NT = np.argsort(-probabilities_NK, axis=1, kind="stable")[:, :stored]
        else:
            options_NT = np.lexsort((rank_NK, -probabilities_NK), axis=1)[:, :stored]
        kept_NT = np.take_along_axis(probabilities_NK, options_NT, axis=1)
        return cls(tuple(ids), options_NT.astype(np.int32), kept_NT.astype(np.float32), num_options)

    @classmethod
    def from_truth(cls, examples: Examples, num_options: int) -> "Labels":
        """Return the ground truth as labels: all mass on the right option."""
        return cls(
            examples.ids,
            examples.truth_N[:, None].astype(np.int32),
            np.ones((len(examples), 1), np.float32),
            num_options,
        )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {each: row for row, each in enumerate(self.ids)}

    def take(self, ids: Sequence[str]) -> "Labels":
        """Return the labels of these ids, in this order; an id without a label raises StepError."""
        rows = labelled_rows(self._rows, ids)
        return Labels(tuple(ids), self.options_NT[rows], self.probabilities_NT[rows], self.num_options)

    def hard(self) -> "Labels":
        """Return all mass on the most probable option (the first stored one)."""
        return Labels(self.ids, self.options_NT[:, :1], np.ones((len(self), 1), np.float32), self.num_options)

    def predicted(self) -> np.ndarray:
        """Return the most probable option of every row, (N,)."""
        return self.options_NT[:, 0]

    def dense(self) -> np.ndarray:
        """Return float32 probabilities_NK, the remainder spread over the options that are not stored."""
        remainder_N = np.clip(1.0 - self.probabilities_NT.sum(axis=1, dtype=np.float64), 0.0, None)
        others = self.num_options - self.options_NT.shape[1]
        fill_N = remainder_N / others if others else np.zeros(len(self))
        dense_NK = np.repeat(fill_N[:, None], self.num_options, axis=1).astype(np.float32)
        np.put_along_axis(dense_NK, self.options_NT.astype(np.int64), self.probabilities_NT, axis=1)
        return dense_NK


def joined(parts: Sequence[Labels]) -> Labels:
    """Return several sets of labels as one; an id that occurs twice raises StepError."""
    return Labels(
        distinct_ids(part.ids for part in parts),
        np.concatenate([part.options_NT for part in parts]),
        np.concatenate([part.probabilities_NT for part in parts]),
        parts[0].num_options,
    )


def labelled_rows(row_of: Mapping[str, int], ids: Sequence[str]) -> list[int]:
    """Return the row of every id, in this order; an id without a label raises StepError."""
    missing = [each for each in ids if each not in row_of]
    if missing:
        raise StepError(f"{len(missing)} rows have no weak label, the first is {missing[0]!r}")
    return [row_of[each] for each in ids]


def distinct_ids(parts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the ids of several sets of labels, one set after another; an id that occurs twice raises StepError."""
    ids = tuple(each for part in parts for each in part)
    if len(set(ids)) != len(ids):
        raise StepError("two sets of weak labels share an id: splits must not overlap")
    return ids


def fixed_order(groups: Sequence[str], *, purpose: str) -> list[str]:
    """Return the distinct groups in an order that depends on each group's name alone, not on the others."""
    return sorted(set(groups), key=lambda group: (derive(0, purpose, group), group))


def seeded_order(groups: Sequence[str], *, seed: int, purpose: str) -> list[str]:
    """Return the distinct groups in the order that this seed deals them out."""
    distinct = sorted(set(groups))
    return [distinct[i] for i in generator(seed, "splits", purpose).permutation(len(distinct))]


def cut(
    examples: Examples, sizes: Mapping[str, int], *, order: Sequence[str], balanced_classes: int = 0
) -> dict[str, tuple[str, ...]]:
    """Deal whole groups out to splits, in order, and return each split's ids.

    With `balanced_classes` K every split has exactly size / K rows of each class; rows that would break the balance
    are left out. Rows of a group that was begun never reach a later split. Too few rows raise StepError.
    """
    members: dict[str, list[int]] = {}
    for row, group in enumerate(examples.groups):
        members.setdefault(group, []).append(row)
    remaining = iter(order)
    return {name: _fill(examples, size, name, remaining, members, balanced_classes) for name, size in sizes.items()}


def _fill(
    examples: Examples,
    size: int,
    name: str,
    remaining: Iterator[str],
    members: Mapping[str, list[int]],
    classes: int,
) -> tuple[str, ...]:
    if classes and size % classes:
        raise StepError(f"the split {name} has {size} rows: that cannot be balanced over {classes} classes")
    room = [size // classes] * classes if classes else [size]
    ids: list[str] = []
    while len(ids) < size:
        group = next(remaining, None)
        if group is None:
            raise StepError(
                f"the split {name} got {len(ids)} of {size} rows before the task's {len(examples)} rows ran out: "
                "lower the numbers under rows"
            )
        for row in members[group]:
            kind = int(examples.truth_N[row]) if classes else 0
            if room[kind]:
                room[kind] -= 1
                ids.append(examples.ids[row])
    return tuple(ids)
