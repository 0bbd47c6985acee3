"""Parts of the reference that are made from the code: a page says `<!-- from code: tasks -->` where one goes.

Everything is Markdown text made when a page is read; nothing is written to disk, so nothing can be out of date.
"""

import dataclasses
import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
from sphinx.pycode import ModuleAnalyzer

import outgrow
from outgrow.cli.app import command
from outgrow.methods import METHODS
from outgrow.models.catalog import LADDERS, ladder
from outgrow.spec import Spec, Study
from outgrow.study_file import built_in_studies, load_study
from outgrow.tasks import TASKS, Task

MARK = re.compile(r"^<!-- from code: (?P<name>[\w-]+)(?: (?P<argument>[\w.]+))? -->$", re.MULTILINE)
WIDTH = 80


def fill(app: Any, page: str, source: list[str]) -> None:
    """Replace the marks of a page by what they stand for."""
    source[0] = MARK.sub(lambda found: "\n".join(made(found["name"], found["argument"])), source[0])


def made(name: str, argument: str | None = None) -> Iterator[str]:
    """Return the lines of one part; KeyError for a name there is none of."""
    return PARTS[name](argument) if argument else PARTS[name]()


def table(headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """Yield a Markdown table; a last column that says nothing is left out."""
    if not any(row[-1] for row in rows):
        headers, rows = headers[:-1], [row[:-1] for row in rows]
    yield from ("", f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}")
    for row in rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"
    yield ""


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def code(value: Any) -> str:
    """Return a value as code, nothing for nothing."""
    return f"`{value}`" if str(value) else ""


def tasks() -> Iterator[str]:
    """Yield a table of all tasks for every family."""
    for family in dict.fromkeys(task.family for task in TASKS.values()):
        of_family = [task for task in TASKS.values() if task.family == family]
        yield from ("", f"## {family}")
        yield from table(("task", "what is asked", "head", "options", "rows"), [_task(task) for task in of_family])


def _task(task: Task) -> tuple[str, ...]:
    options = (
        f"{task.num_options:,} {'shared' if task.shared else 'exchangeable'}{', balanced' if task.balanced else ''}"
    )
    about = task.about if task.verified else f"{task.about} *Not tried on real rows yet.*"
    return code(task.name), about, task.head, options, "shipped" if task.asset else task.source or "a file of yours"


def methods() -> Iterator[str]:
    """Yield the table of methods."""
    rows = [
        (
            code(each.name),
            f"{each.about} *{each.source}*",
            ", ".join(needs.replace("-", " ") for needs in each.requires),
        )
        for each in METHODS.values()
    ]
    yield from table(("method", "what it does, and where it is from", "needs"), rows)


def models() -> Iterator[str]:
    """Yield the table of the shipped ladders."""
    for path in sorted(each for each in LADDERS.glob("*") if each.is_dir()):
        yield from ("", f"## {path.name}")
        rows = []
        for model in ladder(path.name).values():
            rates = ", ".join(f"{task} {rate:g}" for task, rate in model.card.get("learning_rates", {}).items())
            seen = f"{model.card.get('positions') or 0:,}"
            held_out = 100 * model.card.get("held_out", {}).get("accuracy", 0)
            rows.append((code(model.name), f"{model.parameters:,}", seen, f"{held_out:.1f}", rates))
        headers = ("size", "parameters", "positions", "held-out moves, in %", "learning rates")
        yield from table(headers, rows)


def studies() -> Iterator[str]:
    """Yield the table of built-in studies."""
    found = [load_study(name) for name in built_in_studies()]
    rows = [
        (code(each.name), each.about, ", ".join(dict.fromkeys(block.task for block in each.comparisons)))
        for each in found
    ]
    yield from table(("study", "about", "tasks"), rows)


def study_keys() -> Iterator[str]:
    """Yield for every part of a study file a table of its keys: type, default, meaning."""
    for spec in _specs(Study, []):
        told = ModuleAnalyzer.for_module(spec.__module__).find_attr_docs()
        yield from ("", f"## {spec.__name__}", "", inspect.getdoc(spec) or "")
        rows = []
        for name, field in spec.model_fields.items():
            default = "required" if field.is_required() else code(_default(field))
            rows.append((code(name), _kind(field.annotation), default, _joined(told, spec, name)))
        yield from table(("key", "kind", "default", "meaning"), rows)


def _specs(spec: type[Spec], found: list[type[Spec]]) -> list[type[Spec]]:
    """Return the parts of a study file, outermost first."""
    found.append(spec)
    for field in spec.model_fields.values():
        for each in _parts(field.annotation):
            if isinstance(each, type) and issubclass(each, Spec) and each not in found:
                _specs(each, found)
    return found


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for each in typing.get_args(kind):
        yield from _parts(each)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Spec):
        return "{}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(list(value) if isinstance(value, tuple) else value)


def _kind(kind: Any) -> str:
    """Return a type in a few words."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _kind(parts[0])
    if origin is not None and origin in COMPOUND:
        return COMPOUND[origin](parts)
    if isinstance(kind, type) and issubclass(kind, Spec):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return SIMPLE.get(kind) or getattr(kind, "__name__", str(kind))


def _either(parts: tuple[Any, ...]) -> str:
    return " or ".join(_kind(each) for each in parts if each is not type(None))


SIMPLE = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
MANY = {"whole number": "whole numbers", "number": "numbers", "text": "texts"}
COMPOUND: dict[Any, Callable[[tuple[Any, ...]], str]] = {
    typing.Literal: lambda parts: ", ".join(code(each) or "empty" for each in parts),
    typing.Union: _either,
    types.UnionType: _either,
    tuple: lambda parts: f"list of {MANY.get(_kind(parts[0]), _kind(parts[0]))}",
    dict: lambda parts: f"mapping to {_kind(parts[1])}",
    Mapping: lambda parts: f"mapping to {_kind(parts[1])}",
    Callable: lambda parts: "function",
}


def commands() -> Iterator[str]:
    """Yield the help page of the program and of every command."""
    program = command()
    top = click.Context(program, info_name="outgrow", terminal_width=WIDTH, max_content_width=WIDTH)
    yield from ("", "```text", program.get_help(top).rstrip(), "```")
    for name in program.list_commands(top):
        each = program.get_command(top, name)
        context = click.Context(each, info_name=name, parent=top, terminal_width=WIDTH, max_content_width=WIDTH)
        yield from ("", f"## outgrow {name}", "", "```text", each.get_help(context).rstrip(), "```")
    yield ""


def names() -> Iterator[str]:
    """Yield every public name: functions, then classes, then errors."""
    found = {name: getattr(outgrow, name) for name in outgrow.__all__}
    functions = [name for name, each in found.items() if not isinstance(each, type)]
    errors = [name for name, each in found.items() if isinstance(each, type) and issubclass(each, Exception)]
    classes = [name for name in found if name not in (*functions, *errors)]
    for title, group in (("Functions", functions), ("Classes", classes), ("Errors", errors)):
        yield from ("", f"## {title}", "")
        for name in group:
            yield from _documented(f"outgrow.{name}", found[name])


def a_class(path: str) -> Iterator[str]:
    """Yield one class that is not among the public names, with what it holds."""
    yield from _documented(path, _found(path))


def fields(path: str) -> Iterator[str]:
    """Yield a dataclass of many fields: what it is, then a table of them."""
    each = _found(path)
    told = ModuleAnalyzer.for_module(each.__module__).find_attr_docs()
    kinds = typing.get_type_hints(each)
    names = [field.name for field in dataclasses.fields(each)]
    yield from _class(path, "(**fields)", names)
    rows = []
    for field in dataclasses.fields(each):
        given = field.default not in (dataclasses.MISSING, "", ()) and not callable(field.default)
        default = "required" if _required(field) else code(field.default) if given else ""
        rows.append((code(field.name), _kind(kinds[field.name]), default, _joined(told, each, field.name)))
    yield from table(("field", "kind", "default", "meaning"), rows)


def _required(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _joined(told: dict[Any, list[str]], each: type, name: str) -> str:
    return " ".join(told.get((each.__name__, name), []))


def _found(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _documented(path: str, each: Any) -> Iterator[str]:
    if isinstance(each, type) and issubclass(each, Spec):  # its keys are told in a table
        yield from _class(path, "(**keys)", [*each.model_fields, "model_config"])
    elif isinstance(each, type) and not issubclass(each, Exception):
        yield from _class(path, "", [])
    else:
        kind = "exception" if isinstance(each, type) else "function"
        yield from ("```{eval-rst}", f".. auto{kind}:: {path}", "```", "")


def _class(path: str, signature: str, left_out: list[str]) -> Iterator[str]:
    yield from ("```{eval-rst}", f".. autoclass:: {path}{signature}", "   :members:")
    if left_out:
        yield f"   :exclude-members: {', '.join(left_out)}"
    yield from ("```", "")


PARTS: dict[str, Callable[..., Iterator[str]]] = {
    "class": a_class,
    "commands": commands,
    "fields": fields,
    "methods": methods,
    "models": models,
    "names": names,
    "studies": studies,
    "study-keys": study_keys,
    "tasks": tasks,
}
