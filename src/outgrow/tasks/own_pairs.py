"""A preference task of the user's own: the study says which columns hold the texts that are compared."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outgrow.spec import OwnTask
from outgrow.tasks.base import Task
from outgrow.tasks.comparisons import Comparison, Skipped, ordered
from outgrow.tasks.dialogue import TURNS, as_dialogue
from outgrow.tasks.grouping import normal
from outgrow.tasks.own import answer_of, filled
from outgrow.tasks.preference import PairSet
from outgrow.tasks.rows import Origin
from outgrow.tasks.sets import HIDDEN, PLAIN, BadValueError


def own_pairs(own: OwnTask) -> Task:
    """Return the task whose options are texts that follow one prompt."""
    most = own.most_options or len(own.texts)
    preferred = answer_of(own) if own.compare else lambda row: 0

    def compared(row: Mapping[str, Any]) -> list[Comparison]:
        prompt = filled(own.text, {name: _prompt(own, name, row[name]) for name in own.columns})
        texts = [text for name in own.texts for text in _texts(own, name, row[name])]
        right = preferred(dict(row))
        if right == HIDDEN:
            raise Skipped("no label")
        others = [text for i, text in enumerate(texts) if i != right and text.strip()]
        kin = tuple(normal(str(row[name])) for name in own.group)
        return [replace(ordered(prompt, texts[right], others, group=prompt), kin=kin)]

    named = (*own.columns, *own.texts, *own.group, *((own.answer,) if own.compare else ()))
    return PairSet(
        Origin(own.name, own.hub, own.config, own.splits, own.files),
        own.about or "A preference task of the user's own.",
        columns=tuple(dict.fromkeys(named)),
        reader=compared,
        options=("first", "second") if most == 2 else tuple(str(i) for i in range(1, most + 1)),
        verified=True,
    ).task()


def _prompt(own: OwnTask, column: str, value: Any) -> str:
    """Return what a template puts in for a value: plain values as they are, a list of messages as a dialogue."""
    if isinstance(value, PLAIN):
        return str(value)
    if own.text != f"{{{column}}}":  # a dialogue within a template would begin and end in its middle
        raise BadValueError(column, value, f"a text: a list of messages needs the template {{{column}}} alone")
    return as_dialogue(_messages(column, value))


def _texts(own: OwnTask, column: str, value: Any) -> list[str]:
    """Return the texts of a column: its value, the last of a list of messages, or where there may be several, a list.

    None is a blank one.
    """
    if value is None or isinstance(value, PLAIN):
        return ["" if value is None else str(value)]
    if own.most_options and column != own.chosen and isinstance(value, list) and all(isinstance(t, str) for t in value):
        return value
    return [_messages(column, value)[-1]["content"]]


def _messages(column: str, value: Any) -> list[dict[str, str]]:
    good = isinstance(value, list) and value and all(isinstance(each, dict) for each in value)
    if not good or not all(each.get("role") in TURNS and isinstance(each.get("content"), str) for each in value):
        roles = ", ".join(TURNS)
        raise BadValueError(column, value, f"a text or a list of messages, each with content and a role of {roles}")
    found: list[dict[str, str]] = value
    return found
