"""A task of the user's own: the study says which columns make texts and labels, this makes a set of it."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

from outgrow.free_text import number_of
from outgrow.spec import COLUMN, OPTION, OwnTask
from outgrow.tasks.base import Rows, Task
from outgrow.tasks.formats import class_of, plain_value
from outgrow.tasks.grouping import normal
from outgrow.tasks.rows import Origin, Row
from outgrow.tasks.sets import ANY, HIDDEN, PLAIN, BadValueError, TextSet


def own_task(own: OwnTask) -> Task:
    """Return the task that this part of a study declares."""
    return _written(own) if own.max_new_tokens else _chosen(own, class_of(own.label, own.classes))


def _written(own: OwnTask) -> Task:
    """Return the task whose label is free text: that of a set, but that its truth are numbers of texts."""
    texts: dict[int, str] = {}

    def truth(row: Row) -> int:
        value = row[own.label]
        text = value.strip() if isinstance(value, str) else plain_value(value)
        if "\n" in text:
            raise BadValueError(own.label, text, "a text of one line")
        texts[number_of(text)] = text
        return number_of(text) if text else HIDDEN

    plain = _chosen(own, truth)

    def read(spec: Mapping[str, Any], places: Mapping[str, str]) -> Rows:
        rows = plain.read(spec, places)
        answers = tuple(texts[number] for number in rows.every.truth_N.tolist())
        return replace(rows, every=replace(rows.every, answers=answers))

    return replace(
        plain,
        head="text",
        options=tuple,
        max_new_tokens=own.max_new_tokens,
        read=read,
        shared=False,
        balanced=False,
        natural="",
        verbalizer=(),
        words=(),
    )


def _chosen(own: OwnTask, truth: Callable[[Row], int]) -> Task:
    choice = bool(own.options)
    label = own.answer if choice else own.label
    lists = {own.options[0]} if len(own.options) == 1 else set()
    plain = [name for name in (*own.columns, *own.options, *own.group) if name != OPTION]
    classes = ("wrong", "right") if choice else tuple(plain_value(each) for each in own.classes)
    verbalizer = own.verbalizer if own.verbalizer is not None else tuple(str(i) for i in range(len(classes)))
    return TextSet(
        Origin(own.name, own.hub, own.config, own.splits, own.files),
        own.about or "A task of the user's own.",
        columns={name: list if name in lists else PLAIN for name in plain} | {label: ANY},
        label=(label,),
        format=_format(own),
        truth=answer_of(own) if choice else truth,
        answers=(lambda row: len(_options(own, row))) if choice else None,
        group=_group(own),
        classes=classes,
        verbalizer=verbalizer,
        balanced=own.balanced,
        words=("no", "yes") if choice else classes,
        instruction=own.instruction,
        verified=True,
    ).task()


def _format(own: OwnTask) -> Callable[[Row, int], str]:
    def text(row: Row, option: int) -> str:
        values = {name: row[name] for name in own.columns if name != OPTION}
        if OPTION in own.columns:
            values[OPTION] = _options(own, row)[option]
        return filled(own.text, values)

    return text


def filled(template: str, values: Row) -> str:
    """Return the template with {column} replaced by the column's value; {{ and }} stand for braces.

    Values are put in as they are: braces in them mean nothing, and nothing of a value but its text can be reached.
    """
    return COLUMN.sub(lambda found: str(values[found[1]]) if found[1] else found[0][0], template)


def _options(own: OwnTask, row: Row) -> list[str]:
    if len(own.options) > 1:
        return [str(row[name]) for name in own.options]
    found = row[own.options[0]]
    if len(found) < 2 or not all(isinstance(each, PLAIN) for each in found):
        raise BadValueError(own.options[0], found, "a list of at least two texts")
    return [str(each) for each in found]


def answer_of(own: OwnTask) -> Callable[[Row], int]:
    """Return how the right answer is told: by `classes`, or else by its text, the name of its column, or its number."""
    if own.classes:
        return class_of(own.answer, own.classes)

    def truth(row: Row) -> int:
        value, texts = row[own.answer], _options(own, row)
        if isinstance(value, str) and texts.count(value) == 1:
            return texts.index(value)
        if value in own.options and len(own.options) > 1:
            return own.options.index(value)
        number = plain_value(value)
        if number in ("", "-1"):
            return HIDDEN
        if number.isdigit() and int(number) < len(texts):
            return int(number)
        raise BadValueError(own.answer, value, f"the text of one answer or its number from 0 to {len(texts) - 1}")

    return truth


def _group(own: OwnTask) -> Callable[[Row], list[Hashable]]:
    return lambda row: [normal(str(row[column])) for column in own.group]
