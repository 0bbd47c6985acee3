"""What is special about rows whose options are texts: they can be swapped, and a rule that reads nothing is a control.

Legend: N rows, K options (the most that any row has).
"""

from collections.abc import Callable, Sequence

import numpy as np

from outgrow.examples import Examples, Labels

Figures = dict[str, float]


def swapped(examples: Examples, rows_N: np.ndarray | None = None) -> Examples:
    """Return the examples with the completions of these rows (a mask; default: all) in reverse order, truth with them.

    Swapping twice gives the examples back. Nothing else changes: ids, groups, prompts, margins.
    """
    swaps_N = np.ones(len(examples), bool) if rows_N is None else np.asarray(rows_N, bool)
    sizes_N = num_completions(examples)
    completions = tuple(each[::-1] if swap else each for each, swap in zip(examples.completions, swaps_N, strict=True))
    truth_N = np.where(swaps_N, sizes_N - 1 - examples.truth_N, examples.truth_N)
    return Examples(examples.ids, examples.groups, examples.texts, truth_N, completions, examples.margins)


def swapped_labels(labels: Labels, examples: Examples, rows_N: np.ndarray | None = None) -> Labels:
    """Return the labels of the same rows after `swapped`: every probability stays with its completion."""
    swaps_N = np.ones(len(examples), bool) if rows_N is None else np.asarray(rows_N, bool)
    dense_NK = labels.take(examples.ids).dense()
    for row, (size, swap) in enumerate(zip(num_completions(examples), swaps_N, strict=True)):
        if swap:
            dense_NK[row, :size] = dense_NK[row, :size][::-1].copy()
    return Labels.from_dense(examples.ids, dense_NK)


def num_completions(examples: Examples) -> np.ndarray:
    """Return how many completions every row has, (N,)."""
    return np.array([len(each) for each in examples.completions], np.int64)


def length_control(labels: Labels, examples: Examples) -> Figures:
    """Return the accuracy of always choosing the longest completion, and how often the labels choose it.

    Length is in characters; rows whose completions are equally long count with their share of them.
    """
    longest = [_longest(each) for each in examples.completions]
    chosen_N = labels.take(examples.ids).predicted()
    return {
        "length_control": _share(longest, examples.truth_N),
        "chose_longest": _share(longest, chosen_N),
    }


def _longest(completions: Sequence[str]) -> list[int]:
    most = max(map(len, completions))
    return [option for option, text in enumerate(completions) if len(text) == most]


def _share(rules: Sequence[Sequence[int]], options_N: np.ndarray) -> float:
    """Return how often a rule that draws among some options of each row draws this one, on average."""
    hits = [(option in drawn) / len(drawn) for drawn, option in zip(rules, options_N.tolist(), strict=True)]
    return float(np.mean(hits))


def margin_bands(*edges: float) -> Callable[[Labels, Examples], Figures]:
    """Return the figures of accuracy by margin: from each edge up to below the next. Empty bands are left out."""
    tops = (*edges[1:], np.inf)

    def figures(labels: Labels, examples: Examples) -> Figures:
        if not examples.margins:
            return {}
        margin_N = np.array(examples.margins)
        correct_N = labels.take(examples.ids).predicted() == examples.truth_N
        found = {}
        for bottom, top in zip(edges, tops, strict=True):
            inside_N = (margin_N >= bottom) & (margin_N < top)
            name = f"{bottom:g}_to_{top:g}" if top < np.inf else f"{bottom:g}_up"
            if inside_N.any():
                found[f"accuracy_margin_{name}"] = float(correct_N[inside_N].mean())
        return found

    return figures


def capture_control(labels: Labels, examples: Examples) -> Figures:
    """Return the accuracy of always choosing a move that captures, in a chess position, and how often labels do.

    Rows in which both moves capture, or neither does, count with one half.
    """
    taking = [_captures(text, each) for text, each in zip(examples.texts, examples.completions, strict=True)]
    chosen_N = labels.take(examples.ids).predicted()
    return {"capture_control": _share(taking, examples.truth_N), "chose_capture": _share(taking, chosen_N)}


def _captures(position: str, moves: Sequence[str]) -> list[int]:
    # Theirs are the lower-case pieces; a pawn that takes in passing is not seen, which is one capture in hundreds.
    theirs = {word[1:] for word in position.split() if len(word) == 3 and word[0].islower()}
    found = [option for option, move in enumerate(moves) if move.strip()[2:4] in theirs]
    return found or list(range(len(moves)))


def accuracy_by_tag(tags: dict[str, str]) -> Callable[[Labels, Examples], Figures]:
    """Return the figures of accuracy by what an id ends with (after its last colon); `tags` names each figure."""

    def figures(labels: Labels, examples: Examples) -> Figures:
        correct_N = labels.take(examples.ids).predicted() == examples.truth_N
        hits: dict[str, list[bool]] = {}
        for each, correct in zip(examples.ids, correct_N.tolist(), strict=True):
            name = tags.get(each.rpartition(":")[2])
            if name is not None:
                hits.setdefault(name, []).append(correct)
        return {f"accuracy_{name}": float(np.mean(found)) for name, found in sorted(hits.items())}

    return figures


def together(*parts: Callable[[Labels, Examples], Figures]) -> Callable[[Labels, Examples], Figures]:
    """Return the figures of several diagnoses as one."""
    return lambda labels, examples: {name: value for part in parts for name, value in part(labels, examples).items()}
