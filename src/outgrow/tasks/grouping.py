"""Which rows belong together, so that none of what one says stands in two splits. Knows no set."""

from collections.abc import Hashable, Sequence
from itertools import pairwise

SHARED = 5
SHORT = 3
"""Words: a phrase of so few may be part of sentences that have nothing to do with each other."""


def normal(text: str) -> str:
    """Return the text as it is compared: letters of one case, blanks as one."""
    return " ".join(text.casefold().split())


def groups_of(keys: Sequence[Sequence[Hashable]], names: Sequence[str]) -> list[str]:
    """Return a group for every row: rows that share a key, or are linked by others that do, have the same.

    A group is named by its first row.
    """
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[Hashable, int] = {}
    for row, row_keys in enumerate(keys):
        for key in row_keys:
            one, other = sorted((root(first.setdefault(key, row)), root(row)))
            parent[other] = one  # the lower number is the root, so that a group is named by its first row
    return [names[root(row)] for row in range(len(keys))]


def neighbours(texts: Sequence[str]) -> list[list[Hashable]]:
    """Return keys that link a text to the next where the two share five words at their start or their end.

    For sets that list beside each other what was written as variants of one scenario, and do not say so.
    """
    words = [normal(text).split() for text in texts]
    keys: list[list[Hashable]] = [[] for _ in texts]
    for row, (one, other) in enumerate(pairwise(words)):
        if len(one) >= SHARED and (one[:SHARED] == other[:SHARED] or one[-SHARED:] == other[-SHARED:]):
            keys[row].append(("next", row))
            keys[row + 1].append(("next", row))
    return keys


def phrase_kin(texts: Sequence[str]) -> list[list[Hashable]]:
    """Return as key of every text the longest text that it is a run of words of; itself where there is none.

    For sets that list the phrases of a sentence beside it. Of several that hold a phrase the first longest is taken;
    texts of up to three words are held to stand for themselves.
    """
    words = [tuple(normal(text).split()) for text in texts]
    holder: dict[tuple[str, ...], int] = {}
    found: list[list[Hashable]] = [[]] * len(texts)
    for row in sorted(range(len(texts)), key=lambda row: (-len(words[row]), row)):
        phrase = words[row]
        if len(phrase) <= SHORT:
            found[row] = [("part", *phrase)]
            continue
        if phrase not in holder:
            for start in range(len(phrase)):
                for end in range(start + SHORT + 1, len(phrase) + 1):
                    holder.setdefault(phrase[start:end], row)
        found[row] = [("part", *words[holder[phrase]])]
    return found
