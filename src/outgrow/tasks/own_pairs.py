"""A preference task of the user's own: the study says which columns hold the texts that are compared."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from outgrow.spec import OwnTask
from outgrow.tasks.base import Task
from outgrow.tasks.comparisons import Comparison, Skipped, ordered
from outgrow.tasks.dialogue import as_dialogue
from outgrow.tasks.grouping import normal
from outgrow.tasks.own import answer_of, filled
from outgrow.tasks.preference import PairSet
from outgrow.tasks.rows import Origin
from outgrow.tasks.sets import HIDDEN, PLAIN, BadValueError


def own_pairs(own: OwnTask) -> Task:
    """Return the task whose options are texts that follow one prompt."""
    count = len(own.texts)
    preferred = answer_of(own) if own.compare else lambda row: 0

    def compared(row: Mapping[str, Any]) -> list[Comparison]:
        prompt = filled(own.text, {name: _prompt(name, row[name]) for name in own.columns})
        texts = [_last(name, row[name]) for name in own.texts]
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
        options=("first", "second") if count == 2 else tuple(str(i) for i in range(1, count + 1)),
        verified=True,
    ).task()


def _prompt(column: str, value: Any) -> str:
    """Return what a template puts in for a value: plain values as they are, a list of messages as a dialogue."""
    if isinstance(value, PLAIN):
        return str(value)
    return as_dialogue(_messages(column, value))


def _last(column: str, value: Any) -> str:
    """Return the text to be compared: the value, or the last of a list of messages; a blank one where there is none."""
    if value is None or isinstance(value, PLAIN):
        return "" if value is None else str(value)
    messages = _messages(column, value)
    return str(messages[-1]["content"]) if messages else ""


def _messages(column: str, value: Any) -> list[dict[str, str]]:
    wanted = "a text or a list of messages, each with role and content"
    if not isinstance(value, list):
        raise BadValueError(column, value, wanted)
    for each in value:
        if not isinstance(each, dict) or not all(isinstance(each.get(name), str) for name in ("role", "content")):
            raise BadValueError(column, value, wanted)
    return value
