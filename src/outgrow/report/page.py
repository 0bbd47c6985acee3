"""The page: everything a study shows in one HTML file that needs no network."""

import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from outgrow.errors import UsageError
from outgrow.plan import Cell
from outgrow.report import examples, provenance
from outgrow.report.curves import Curves, curve_figures, kept_curves
from outgrow.report.figures import size_figures
from outgrow.report.heat_maps import heat_maps
from outgrow.report.packing import as_json, packed, packed_text
from outgrow.report.panels import agreement_figure
from outgrow.report.rows import Row, all_rows
from outgrow.results import Results
from outgrow.words import MOST_LISTED, NATURAL, findings, task_notes

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = (
    "base.js",
    "filters.js",
    "overview.js",
    "table.js",
    "figures.js",
    "panels.js",
    "board.js",
    "examples.js",
    "provenance.js",
    "start.js",
)
ROOM = 7_500_000
"""Bytes that the examples of all tasks may take together: the page stays below 12 MB."""

Plain: TypeAlias = dict[str, Any]


def write_report(results: Results, path: Path) -> Path:
    """Write the page of a study and return its path; UsageError where no comparison is finished."""
    if not results.comparisons:
        name = results.plan.study.name
        raise UsageError(f"no comparison of {name} is finished, so there is nothing to report: run outgrow run {name}")
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whoever has the old page open, or is interrupted, never finds half of the new one.
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(page(results))
        except BaseException:
            part.unlink()
            raise
    part.chmod(0o666 & ~_umask())
    part.replace(path)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def page(results: Results) -> str:
    """Return the whole page as HTML."""
    from plotly.offline import get_plotlyjs

    blobs: Plain = {}
    data = document(results, blobs)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html").render(
        data=data,
        style=_text("report.css"),
        script=Markup("\n".join(_read(name) for name in SCRIPTS)),
        document=Markup(as_json(data)),
        blobs={name: Markup(blob) for name, blob in blobs.items()},
        plotly=Markup(packed_text(get_plotlyjs())),
    )


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _text(name: str) -> Markup:
    return Markup(_read(name))


def document(results: Results, blobs: Plain) -> Plain:
    """Return all that the page shows as plain data; what is unpacked on demand goes into `blobs`, by name."""
    rows = all_rows(results)
    pooled = [row for row in rows if row["seed"] is None]
    steps = provenance.finished_steps(results)
    sizes = results.plan.sizes
    blobs["steps"] = packed(provenance.step_table(steps))
    curves = kept_curves(results, pooled)
    blobs["figures"] = packed(_figures(rows, sizes, curves))
    headline, *others = findings(results)
    return {
        "study": {
            "name": results.plan.study.name,
            "about": results.plan.study.about,
            "headline": headline,
            "findings": others,
            "notes": list(results.plan.notes),
            "seeds": list(results.plan.study.seeds),
            "yaml": provenance.study_yaml(results.plan),
            "version": version("outgrow"),
            "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        },
        "facts": _facts(results, pooled, steps),
        "tasks": _tasks(results, pooled, curves),
        "methods": {name: results.plan.methods[name].about for name in dict.fromkeys(row["method"] for row in pooled)},
        "sizes": sizes,
        "rows": rows,
        "overview": len(pooled) > MOST_LISTED,
        "warnings": _warnings(pooled),
        "examples": _examples(results, pooled, blobs),
        "rule": examples.RULE,
        "cost": provenance.cost_by_kind(steps),
        "machines": provenance.machines(steps),
        "versions": provenance.versions(steps),
    }


def _facts(results: Results, rows: Sequence[Row], steps: Sequence[Plain]) -> Plain:
    verdicts = [row["verdict"] for row in rows]
    planned = {(cell.task, cell.supervisor, cell.student, cell.method) for cell in results.plan.cells}
    return {
        "comparisons": len(rows),
        "planned": len(planned),
        "unfinished_seeds": sum(len(row["missing"]) for row in rows),
        "gain": verdicts.count("gain"),
        "no_gain": verdicts.count("no gain"),
        "loss": verdicts.count("loss"),
        "steps": len(steps),
        "seconds": round(sum(each["made"]["seconds"] for each in steps), 1),
    }


def _tasks(results: Results, rows: Sequence[Row], curves: Curves) -> list[Plain]:
    found = []
    for name in dict.fromkeys(row["task"] for row in rows):
        first = next(row for row in rows if row["task"] == name)
        num_test = first["counts"][0] // len(first["seeds"])
        kind = results.plan.tasks[name]
        natural = NATURAL[kind.natural] if kind.natural and first["natural"] else ""
        told = {"about": kind.about, "test_rows": num_test, "notes": task_notes(results, name), "natural": natural}
        mine = {row["id"] for row in rows if row["task"] == name}
        found.append({"name": name, **told, "curves": any(each in mine for each, _ in curves)})
    return found


def _figures(rows: Sequence[Row], sizes: dict[str, int], curves: Curves) -> list[Plain]:
    """Return every figure of every task and those of all together, pooled and for each seed."""
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    found = []
    for seed in seeds:
        of_seed = [row for row in rows if row["seed"] == seed]
        for _, of_task in groupby(sorted(of_seed, key=lambda row: str(row["task"])), key=lambda row: row["task"]):
            rows_of_task = list(of_task)
            found += size_figures(rows_of_task, sizes, seed=seed) + heat_maps(rows_of_task, sizes, seed=seed)
            found += curve_figures(rows_of_task, curves, seed=seed)
        methods = [None, *dict.fromkeys(row["method"] for row in of_seed)]
        found += [agreement_figure(of_seed, sizes, seed=seed, method=method) for method in methods]
    return [vars(each) for each in found]


def _warnings(rows: Sequence[Row]) -> list[Plain]:
    """Return every warning once, with the ids of the comparisons that carry it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for warning in row["warnings"]:
            found.setdefault(warning, []).append(row["id"])
    return [{"text": text, "comparisons": ids} for text, ids in found.items()]


def _examples(results: Results, rows: Sequence[Row], blobs: Plain) -> list[Plain]:
    ids = {(row["task"], row["supervisor"], row["student"], row["method"]): row["id"] for row in rows}
    seeds = {row["id"]: row["seeds"] for row in rows}
    by_task: dict[str, list[Cell]] = {}
    for cell in results.plan.cells:
        name = ids.get((cell.task, cell.supervisor, cell.student, cell.method))
        if name is not None and cell.seed in seeds[name]:
            by_task.setdefault(cell.task, []).append(cell)
    found: list[Plain] = []
    for task, cells in by_task.items():
        kind = results.plan.tasks[task]
        room = ROOM // len(by_task)
        made = examples.task_examples(kind, cells, ids, results.store, room=room)
        if made is not None:
            made["name"] = f"examples-{len(found)}"  # a task's own name may be no name for an element
            blobs[made["name"]] = made.pop("blob")
            found.append(made)
    return found
