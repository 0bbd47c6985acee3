"""Rows of preference sets as comparisons of completions of one prompt: one pure function a set. Knows no model.

No completion stands first because it is the better one: completions are ordered by a hash of the prompt and their
own text, so their order is the same whichever of them is preferred, and tells nothing.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outgrow.tasks.dialogue import TURNS, as_dialogue, first_turn
from outgrow.tasks.formats import class_of, plain_value
from outgrow.tasks.sets import HIDDEN, BadValueError

Row = Mapping[str, Any]


class Skipped(Exception):  # noqa: N818 (not an error: a row that makes no comparison, and why)
    """The row makes no comparison; the message is the reason, under which such rows are counted."""


@dataclass(frozen=True)
class Comparison:
    """Completions of one prompt, and which is preferred; rows of one group never straddle splits.

    margin: by how much, in the set's own unit; None where the set does not tell.
    """

    prompt: str
    completions: tuple[str, ...]
    preferred: int
    group: str
    margin: float | None = None
    tag: str = ""
    """Part of the id, where one row of the set makes several comparisons."""
    kin: tuple[str, ...] = ()
    """Further keys: rows that share one, at the same place, are of one group too."""


Reader = Callable[[Row], Iterable[Comparison | Skipped]]
"""What a set's function does. It raises Skipped for a row to be left out, or gives it in place of a comparison of
several; KeyError where a column is missing."""


def ordered(
    prompt: str, preferred: str, others: Sequence[str], *, group: str, margin: float | None = None, tag: str = ""
) -> Comparison:
    """Return the comparison of a preferred text with others, in the order of a hash of the prompt and each text.

    An empty text, or one equal to the preferred one, raises Skipped: the first has nothing to be scored at, the
    second no better and no worse. So does a text without others.
    """
    texts = [f" {text.strip()}" for text in (preferred, *others)]
    if len(texts) < 2:
        raise Skipped("only one completion")
    if " " in texts:
        raise Skipped("empty completion")
    if texts[0] in texts[1:]:
        raise Skipped("equal completions")
    order = sorted(texts, key=lambda text: hashlib.sha256(f"{prompt}\x1f{text}".encode()).digest())
    return Comparison(prompt, tuple(order), order.index(texts[0]), group, margin, tag)


def asked(question: str) -> str:
    """Return the prompt of a single question."""
    return as_dialogue([{"role": "user", "content": question}])


def hh_rlhf(row: Row) -> list[Comparison]:
    """Compare two dialogues in their last answer; grouped by how the user begins, as turns of one talk are rows."""
    (prompt, mark, chosen), (other, _, rejected) = (row[name].rpartition(TURNS["assistant"]) for name in _CHOSEN)
    if not mark or prompt != other:
        raise Skipped("the dialogues differ before the last answer")
    return [ordered(prompt + mark, chosen, [rejected], group=first_turn(prompt))]


def shp(row: Row) -> list[Comparison]:
    """Compare two comments on a post, of which the later has more votes; `labels` 1 says that A is preferred."""
    texts, right = (row["human_ref_B"], row["human_ref_A"]), _labelled(row, "labels", (0, 1))
    margin = float(row["score_ratio"])
    return [ordered(asked(row["history"]), texts[right], [texts[1 - right]], group=row["post_id"], margin=margin)]


def ultrafeedback(row: Row) -> list[Comparison]:
    """Compare the best of four answers by a language model's marks with a random other."""
    margin = float(row["score_chosen"]) - float(row["score_rejected"])
    if margin <= 0:
        raise Skipped("equal marks")
    chosen, rejected = (row[name][-1]["content"] for name in _CHOSEN)
    return [ordered(asked(row["prompt"]), chosen, [rejected], group=row["prompt"], margin=margin)]


def helpsteer2(row: Row) -> list[Comparison]:
    """Compare two answers; the strength goes from -3 (the first is much better) over 0 (a tie) to 3."""
    turns = row["prompt"].split("<extra_id_1>")
    messages = [{"role": "user", "content": turns[0]}]
    for turn in turns[1:]:
        role, _, said = turn.partition("\n")
        messages.append({"role": "assistant" if role.strip() == "Assistant" else "user", "content": said})
    if messages[-1]["role"] == "assistant" and not messages[-1]["content"].strip():
        del messages[-1]
    return [_by_strength(as_dialogue(messages), row["response_1"], row["response_2"], row["preference_strength"])]


def helpsteer3(row: Row) -> list[Comparison]:
    """Compare two answers to a dialogue; the strength is that of `helpsteer2`."""
    return [_by_strength(as_dialogue(row["context"]), row["response1"], row["response2"], row["overall_preference"])]


def _by_strength(prompt: str, first: str, second: str, strength: int) -> Comparison:
    if strength == 0:
        raise Skipped("tie")
    preferred, other = (second, first) if strength > 0 else (first, second)
    return ordered(prompt, preferred, [other], group=first_turn(prompt), margin=float(abs(strength)))


def summaries(row: Row) -> list[Comparison]:
    """Compare two summaries of a post, or of a news article."""
    info, texts = row["info"], [each["text"] for each in row["summaries"]]
    if info.get("post"):
        prompt = f"SUBREDDIT: r/{info['subreddit']}\nTITLE: {info['title']}\nPOST: {info['post']}\nTL;DR:"
    else:
        prompt = f"Article: {info['article']}\nTL;DR:"
    return [ordered(prompt, texts[row["choice"]], [texts[1 - row["choice"]]], group=info["id"])]


def reward_bench_2(row: Row) -> list[Comparison]:
    """Compare one right answer with three wrong ones; rows with several right ones (the subset Ties) are left out."""
    _check_lists(row)
    if row["subset"] == "Ties" or len(row["chosen"]) != 1:
        raise Skipped("several right answers")
    return [ordered(asked(row["prompt"]), row["chosen"][0], row["rejected"], group=row["prompt"])]


RM_BENCH_STYLES = ("concise", "detailed", "markdown")


def rm_bench(row: Row) -> list[Comparison | Skipped]:
    """Compare right and wrong answers in three styles each, all nine pairs; the tag names the right one's style first.

    Grouped by prompt, prompts for code by the function to be written, whatever the language.
    """
    _check_lists(row)
    group = _function_name(row["prompt"]) or row["prompt"]
    found: list[Comparison | Skipped] = []
    for good, right in zip(RM_BENCH_STYLES, row["chosen"], strict=True):
        for bad, wrong in zip(RM_BENCH_STYLES, row["rejected"], strict=True):
            try:
                found.append(ordered(asked(row["prompt"]), right, [wrong], group=group, tag=f"{good}-{bad}"))
            except Skipped as reason:
                found.append(reason)
    return found


def _function_name(prompt: str) -> str:
    found = re.match(r"Write a \S+ function `([^`]*)`", prompt)
    name = re.search(r"(\w+)\s*(?:=\s*)?\(", found[1]) if found else None
    return f"function {name[1].replace('_', '').lower()}" if name else ""


def rmb_pairs(row: Row) -> list[Comparison]:
    """Compare a better and a worse answer to a dialogue: rows of the release, or flattened ones with two texts."""
    released = "conversation_input" in row
    prompt = as_dialogue(row["conversation_input" if released else "conversation"])
    better, worse = (row["chosen"]["answer"], row["reject"]["answer"]) if released else (row[name] for name in _CHOSEN)
    return [ordered(prompt, better, [worse], group=first_turn(prompt))]


def labelled_pair(row: Row) -> list[Comparison]:
    """Compare two answers, `first` and `second`, by the label A or B, or 0 or 1."""
    texts = row["first"], row["second"]
    preferred = _labelled(row, "label", (0, 1) if plain_value(row["label"]) in ("0", "1") else ("A", "B"))
    return [ordered(asked(row["prompt"]), texts[preferred], [texts[1 - preferred]], group=row["prompt"])]


def _check_lists(row: Row) -> None:
    """Raise BadValueError unless both sides are lists: a text would be taken apart into letters."""
    for name in _CHOSEN:
        if not isinstance(row[name], list):
            raise BadValueError(name, row[name], "a list of texts")


def _labelled(row: Row, column: str, values: Sequence[Any]) -> int:
    """Return the place of a column's value among these, as text or number; a hidden one raises Skipped."""
    found = class_of(column, values)(dict(row))
    if found == HIDDEN:
        raise Skipped("no label")
    return found


_CHOSEN = ("chosen", "rejected")
