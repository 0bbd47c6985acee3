"""Free text as a label: one text a row, right where it is exactly the true one. numpy only.

The second kind of label beside `Labels`: no options and no probabilities, hence hard. Where a text is compared with
others of the same row, a number stands for it that depends on the text alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outgrow.examples import distinct_ids, labelled_rows

NUMBER_BYTES = 6
"""Numbers of texts stay below 2^48: JSON keeps them, and two texts of one row share one once in 10^14 pairs."""


def number_of(text: str) -> int:
    """Return the number of a text: the first bytes of the SHA-256 of it without blanks around."""
    return int.from_bytes(hashlib.sha256(text.strip().encode()).digest()[:NUMBER_BYTES])


@dataclass(frozen=True)
class TextLabels:
    """A text for every id, without blanks around it."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, ids: Sequence[str], texts: Sequence[str]) -> "TextLabels":
        """Return these texts as labels."""
        return cls(tuple(ids), tuple(text.strip() for text in texts))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {each: row for row, each in enumerate(self.ids)}

    def take(self, ids: Sequence[str]) -> "TextLabels":
        """Return the labels of these ids, in this order; an id without a label raises StepError."""
        return TextLabels(tuple(ids), tuple(self.texts[row] for row in labelled_rows(self._rows, ids)))

    def predicted(self) -> np.ndarray:
        """Return the number of every row's text, (N,): equal where texts are."""
        return np.array([number_of(text) for text in self.texts], np.int64)


def joined_texts(parts: Sequence[TextLabels]) -> TextLabels:
    """Return several sets of labels as one; an id that occurs twice raises StepError."""
    return TextLabels(distinct_ids(part.ids for part in parts), tuple(text for part in parts for text in part.texts))
