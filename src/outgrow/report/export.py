"""Figures as SVG and PNG files, drawn by plotly's kaleido with an installed Chrome or Chromium."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from outgrow.errors import UsageError, unknown
from outgrow.report import style
from outgrow.report.curves import curve_figures, kept_curves
from outgrow.report.figures import Figure, size_figures
from outgrow.report.heat_maps import heat_maps
from outgrow.report.panels import agreement_figure, arranged, baseline
from outgrow.report.rows import Row, all_rows
from outgrow.results import Results

WIDTH = 760
MOST_LINES = 8
"""A figure against student size with more lines than this is taken apart by method."""
PIXELS_A_POINT = 3
LINE, LETTER = 19, 6.8
"""A line of the legend and a letter in it, in pixels."""


def figures_of(results: Results) -> list[Figure]:
    """Return every figure of a study, pooled over seeds, task by task."""
    rows = [row for row in all_rows(results) if row["seed"] is None]
    sizes = results.plan.sizes
    tasks = dict.fromkeys(row["task"] for row in rows)
    curves = kept_curves(results, rows)
    figures = [agreement_figure(rows, sizes)] if len(tasks) > 1 else []
    for task in tasks:
        of_task = [row for row in rows if row["task"] == task]
        figures += _by_size(of_task, sizes) + curve_figures(of_task, curves)
        figures += [each for each in heat_maps(of_task, sizes) if _has_a_number(each)]
    return figures


def _by_size(rows: Sequence[Row], sizes: dict[str, int]) -> list[Figure]:
    """Return a task's figures against student size: one for all methods, or where that is too crowded one for each."""
    lines = {(row["supervisor"], row["method"]) for row in rows}
    if len(lines) <= MOST_LINES:
        return size_figures(rows, sizes)
    methods = dict.fromkeys(row["method"] for row in rows)
    ordered = sorted(methods, key=lambda method: method != baseline(list(methods)))
    return [
        each
        for method in ordered
        for each in size_figures([row for row in rows if row["method"] == method], sizes, method=method)
    ]


def _has_a_number(heat_map: Figure) -> bool:
    return any(value is not None for line in heat_map.data[0]["z"] for value in line)


def scaling_figure(results: Results, task: str | None = None) -> Any:
    """Return accuracy against student size of a task (None: the first) as a plotly figure, to show or to change."""
    known: dict[str, Figure] = {}
    for each in figures_of(results):
        if each.kind == "accuracy":
            known.setdefault(each.task, each)
    if not known:
        raise UsageError(f"no comparison of {results.plan.study.name} is finished, so there is nothing to draw")
    if task is not None and task not in known:
        raise unknown("task of the study", task, known)
    import plotly.graph_objects as go

    return go.Figure(printable(known[task or next(iter(known))]))


def write_figures(results: Results, folder: Path) -> list[Path]:
    """Write every figure as SVG and PNG into this folder; return the files.

    Raises UsageError where there is nothing to draw, or kaleido or a Chrome to draw with is missing.
    """
    figures = figures_of(results)
    if not figures:
        raise UsageError(f"no comparison of {results.plan.study.name} is finished, so there is nothing to draw")
    if find_spec("kaleido") is None:
        raise UsageError("writing figures needs kaleido: pip install 'outgrow[figures]'")
    import plotly.graph_objects as go
    import plotly.io

    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [go.Figure(printable(each)) for each in figures]
    paths: list[Path] = []
    for suffix, scale in (("svg", 1), ("png", PIXELS_A_POINT)):
        files = [folder / f"{each.name}.{suffix}" for each in figures]
        heights = [each.layout.height for each in drawn]
        try:
            plotly.io.write_images(drawn, files, format=suffix, width=WIDTH, height=heights, scale=scale)
        except RuntimeError as error:
            raise UsageError(
                f"the figures cannot be drawn ({' '.join(str(error).split())[:200]}): install Chrome or Chromium, or "
                "name it in BROWSER_PATH"
            ) from error
        paths += files
    return paths


def printable(figure: Figure) -> dict[str, Any]:
    """Return data and layout for paper: light, on white, the title above, the legend below."""
    data, layout = arranged(figure)
    names = [trace["name"] for trace in data if trace.get("showlegend", "name" in trace)]
    extra = LINE * max(0, _legend_lines(names) - 1)
    layout["width"], layout["paper_bgcolor"], layout["plot_bgcolor"] = WIDTH, "@paper", "@paper"
    layout["title"] = {"text": style.safe(figure.heading), "font": {"size": 15}, "x": 0.02}
    layout["margin"] |= {"t": 48, "b": layout["margin"]["b"] + (40 + extra if names else 0)}
    layout["height"] += 36 + extra
    layout["legend"] |= {"yref": "container", "yanchor": "bottom", "y": 0}
    themed: dict[str, Any] = style.themed({"data": data, "layout": layout}, style.LIGHT)
    return themed


def _legend_lines(names: Sequence[str]) -> int:
    return math.ceil(sum(48 + LETTER * len(name) for name in names) / (WIDTH - 90))
