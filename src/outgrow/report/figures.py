"""Rows -> figures as plain data in plotly's form. Imports no plotly: the page and the export draw them.

A trace's `meta` names the supervisor and method it belongs to, and the first of each point's `customdata` its student:
by these the page filters. A figure may come in variants (a seed, a method, a quantity) of which one is shown.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any

from outgrow.numerals import percent, span
from outgrow.report import style
from outgrow.report.rows import Row
from outgrow.report.style import Plain

ALL_TASKS = "all tasks"
"""In the place of a task's name: the figure is of the whole study."""
PGR_LIMITS = (-1.0, 2.0)
"""Beyond these a PGR is drawn as a triangle at the edge: a tiny gap makes a ratio that would flatten all else."""
DODGE = 0.035
"""How far lines of one size stand apart on the axis, in powers of ten, so that intervals do not cover each other."""


@dataclass(frozen=True)
class Figure:
    """A figure of one task: data and layout for plotly, title, how to read it (`note`), what it shows (`alt`)."""

    task: str
    kind: str
    title: str
    alt: str
    data: list[Plain]
    layout: Plain
    note: str = ""
    variant: dict[str, Any] = field(default_factory=dict)
    panels: list[Plain] = field(default_factory=list)
    """Of a figure of several panels: title and x axis of each; a trace's `meta` says in which it lies."""

    @property
    def heading(self) -> str:
        """Return a title that stands alone: what is drawn, of which task, and by which method if it is one's own."""
        method = self.variant.get("method")
        named = f", {method}" if method and method not in self.title else ""
        return f"{self.title}{named}" + ("" if self.task == ALL_TASKS else f", {self.task}")

    @property
    def name(self) -> str:
        """Return a file name without suffix."""
        parts = [self.task, self.kind, *(str(each) for each in self.variant.values() if each not in (None, ""))]
        return "-".join("".join(c if c.isalnum() or c in "._" else "-" for c in part) for part in parts)


def size_figures(
    rows: Sequence[Row], sizes: dict[str, int], *, seed: int | None = None, method: str | None = None
) -> list[Figure]:
    """Return a task's figures against student size; its rows are all of this seed and method (None: of all)."""
    lines = Lines(rows, sizes)
    variant = {"seed": seed} | ({"method": method} if method else {})
    return [replace(each, variant=variant) for each in (_accuracy(lines), _pgr(lines), _agreement(lines))]


class Lines:
    """The rows of a task, ordered into one line per supervisor and method."""

    def __init__(self, rows: Sequence[Row], sizes: dict[str, int]) -> None:
        self.rows = rows
        self.task = rows[0]["task"]
        self.methods = list(dict.fromkeys(row["method"] for row in rows))
        self.supervisors = list(dict.fromkeys(row["supervisor"] for row in rows))
        self.students = sorted({row["student"] for row in rows}, key=lambda name: sizes.get(name, 0))
        self.sizes = sizes
        self.drawn = style.apart({name: sizes[name] for name in (*self.supervisors, *self.students) if name in sizes})
        logs = sorted(map(math.log10, self.drawn.values()))
        self._room = 0.6 * min((b - a for a, b in pairwise(logs)), default=1.0)

    @property
    def note(self) -> str:
        """Return what has to be said of the axis."""
        moved = any(place != self.sizes[name] for name, place in self.drawn.items())
        return " Models of almost equal size stand side by side." if moved else ""

    def groups(self) -> list[tuple[str, str, list[Row]]]:
        """Return (supervisor, method, rows by size) of every line that has a row."""
        found = []
        for supervisor, method in product(self.supervisors, self.methods):
            rows = [row for row in self.rows if (row["supervisor"], row["method"]) == (supervisor, method)]
            if rows:
                found.append((supervisor, method, sorted(rows, key=lambda row: self.sizes.get(row["student"], 0))))
        return found

    def label(self, supervisor: str, method: str) -> str:
        """Return a line's name: the method, and the supervisor where there are several."""
        return method if len(self.supervisors) == 1 else f"{method} from {supervisor}"

    def marks(self, supervisor: str, method: str) -> tuple[str, str, str]:
        """Return colour and symbol, which say the method, and dash, which says the supervisor.

        Where there is one method only, the colour says the supervisor too.
        """
        number, dash = self.methods.index(method), self.supervisors.index(supervisor)
        alone = len(self.methods) == 1 < len(self.supervisors)
        return (
            style.colour(dash if alone else number),
            style.SYMBOLS[number % len(style.SYMBOLS)],
            style.DASHES[dash % len(style.DASHES)],
        )

    def places(self, rows: Iterable[Row], number: int, count: int) -> list[float]:
        """Return where a line's points stand on the axis, apart from those of the other lines."""
        step = min(DODGE / max(1.0, count / 5), self._room / count)
        shift = 10 ** (step * (number - (count - 1) / 2))
        return [self.drawn.get(row["student"], 1) * shift for row in rows]

    def meta(self, supervisor: str, method: str | None = None) -> Plain:
        """Return what a trace belongs to, and its colour where no other method is shown."""
        several = len(self.supervisors) > 1
        alone = {"alone": style.colour(self.supervisors.index(supervisor))} if several else {}
        return {"supervisor": supervisor} | ({"method": method} if method else {}) | alone


def _line(lines: Lines, group: tuple[str, str, list[Row]], number: int, count: int) -> Plain:
    """Return what the line of a supervisor and method looks like, without its values."""
    supervisor, method, rows = group
    colour, symbol, dash = lines.marks(supervisor, method)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": style.safe(lines.label(supervisor, method)),
        "meta": lines.meta(supervisor, method),
        "x": lines.places(rows, number, count),
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "symbol": symbol, "size": 9},
    }


def _hover(what: str) -> str:
    return f"<b>%{{fullData.name}}</b><br>%{{customdata[0]}}: {what} %{{customdata[1]}}<extra></extra>"


def _errors(estimates: Sequence[Sequence[float]], colour: str) -> Plain:
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - mean for mean, _, high in estimates],
        "arrayminus": [mean - low for mean, low, _ in estimates],
        "color": colour,
        "thickness": 1.2,
        "width": 3,
    }


def _accuracy(lines: Lines) -> Figure:
    groups = lines.groups()
    data = _supervisor_traces(lines)
    for number, group in enumerate(groups):
        estimates = [row["accuracy"] for row in group[2]]
        data.append(
            _line(lines, group, number + 1, len(groups) + 2)  # the ceiling stands left of all lines, zero-shot right
            | {
                "y": [each[0] for each in estimates],
                "error_y": _errors(estimates, lines.marks(group[0], group[1])[0]),
                "customdata": [[row["student"], span(*row["accuracy"][1:])] for row in group[2]],
                "hovertemplate": _hover("%{y:.1%}"),
            }
        )
    data.append(_reference(lines, "ceiling", "ceiling", dash="dash", symbol="line-ew-open"))
    data.append(_reference(lines, "zero_shot", "zero-shot", dash="dot", symbol="x-thin-open"))
    told = [f"supervisor {name} {percent(value)}%" for name, value in _weak(lines).items()]
    told += [_told(lines, group, lambda row: f"{percent(row['accuracy'][0])}%") for group in groups]
    told += [
        f"{name}: " + ", ".join(f"{student} {percent(value)}%" for student, value in _known(lines, key).items())
        for key, name in (("ceiling", "ceiling"), ("zero_shot", "zero-shot"))
        if _known(lines, key)
    ]
    return Figure(
        task=lines.task,
        kind="accuracy",
        title="Accuracy against student size",
        alt="Test accuracy. " + "; ".join(told) + ".",
        data=[trace for trace in data if trace["y"]],
        layout=style.layout(xaxis=style.size_axis(lines.drawn), yaxis=style.share_axis("test accuracy")),
        note="Star: the supervisor, at its own size; the level through it is its accuracy." + lines.note,
    )


def _told(lines: Lines, group: tuple[str, str, list[Row]], value: Callable[[Row], str]) -> str:
    supervisor, method, rows = group
    return f"{lines.label(supervisor, method)}: " + ", ".join(f"{row['student']} {value(row)}" for row in rows)


def _weak(lines: Lines) -> dict[str, float]:
    """Return each supervisor's accuracy, from the row that pools most seeds."""
    found = {}
    for name in lines.supervisors:
        of_it = [row for row in lines.rows if row["supervisor"] == name]
        found[name] = max(of_it, key=lambda row: len(row["seeds"]))["weak"][0]
    return found


def _known(lines: Lines, key: str) -> dict[str, float]:
    """Return by student its ceiling or zero-shot accuracy, where there is one."""
    return {row["student"]: row[key][0] for row in reversed(lines.rows) if row[key] is not None}


def _supervisor_traces(lines: Lines) -> list[Plain]:
    """Return for every supervisor its accuracy as a level through the figure, a star at its own size."""
    ends = [min(lines.drawn.values(), default=1) / 1.25, max(lines.drawn.values(), default=1) * 1.25]
    alone = len(lines.methods) == 1 < len(lines.supervisors)
    traces = []
    for i, (name, weak) in enumerate(_weak(lines).items()):
        size = lines.drawn.get(name)
        colour = style.colour(i) if alone else "@muted"
        places = [ends[0], size, ends[1]] if size else ends
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": style.safe(f"weak: {name}"),
                "meta": lines.meta(name),
                "x": places,
                "y": [weak] * len(places),
                "line": {"color": colour, "dash": style.DASHES[i % len(style.DASHES)], "width": 1},
                "marker": {"symbol": "star", "color": colour, "size": [0, 12, 0] if size else 0},
                "hovertemplate": "<b>%{fullData.name}</b><br>%{y:.1%}<extra></extra>",
            }
        )
    return traces


def _reference(lines: Lines, key: str, name: str, *, dash: str, symbol: str) -> Plain:
    """Return the line of the ceilings or of the untuned students, which belong to no supervisor."""
    points: dict[tuple[str, float], Row] = {}
    for row in lines.rows:
        if row[key] is not None:
            points.setdefault((row["student"], row[key][0]), row)
    rows = sorted(points.values(), key=lambda row: lines.sizes.get(row["student"], 0))
    count = len(lines.groups()) + 2
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "meta": {},
        "x": lines.places(rows, 0 if key == "ceiling" else count - 1, count),
        "y": [row[key][0] for row in rows],
        "error_y": _errors([row[key] for row in rows], "@ink"),
        "line": {"color": "@ink", "dash": dash, "width": 1.6},
        "marker": {"color": "@ink", "symbol": symbol, "size": 9, "line": {"width": 1.6, "color": "@ink"}},
        "customdata": [[row["student"], span(*row[key][1:])] for row in rows],
        "hovertemplate": _hover("%{y:.1%}"),
    }


def _pgr(lines: Lines) -> Figure:
    groups, data, outside = lines.groups(), [], 0
    for number, group in enumerate(groups):
        rows = [row for row in group[2] if row["pgr"]["value"] is not None]
        values = [row["pgr"]["value"] for row in rows]
        outside += sum(not PGR_LIMITS[0] <= each <= PGR_LIMITS[1] for each in values)
        line = _line(lines, (*group[:2], rows), number, len(groups))
        line["marker"] |= {"symbol": [_edge_mark(row, line["marker"]["symbol"]) for row in rows]}
        data.append(
            line
            | {
                "y": [min(max(each, PGR_LIMITS[0]), PGR_LIMITS[1]) for each in values],
                "error_y": _errors([_drawn_interval(row) for row in rows], line["line"]["color"]),
                "customdata": [[row["student"], f"{percent(row['pgr']['value'])}% {_pgr_span(row)}"] for row in rows],
                "hovertemplate": _hover("PGR"),
            }
        )
    told = [_told(lines, group, lambda row: f"{percent(row['pgr']['value'])}% {_pgr_span(row)}") for group in groups]
    axis = style.share_axis("performance gap recovered") | {"range": [PGR_LIMITS[0] - 0.05, PGR_LIMITS[1] + 0.05]}
    flags = f" {outside} beyond the axis, drawn as triangles at its edge." if outside else ""
    return Figure(
        task=lines.task,
        kind="pgr",
        title="PGR against student size",
        alt="Performance gap recovered. " + "; ".join(told) + "." + flags,
        data=data,
        layout=style.layout(xaxis=style.size_axis(lines.drawn), yaxis=axis)
        | {"shapes": [_level(0.0, "solid"), _level(1.0, "dot")]},
        note="Open marks: the interval is unbounded. Triangles: beyond the axis." + lines.note,
    )


def _pgr_span(row: Row) -> str:
    pgr = row["pgr"]
    return span(pgr["low"], pgr["high"]) if pgr["kind"] == "interval" else "unbounded"


def _edge_mark(row: Row, symbol: str) -> str:
    value = row["pgr"]["value"]
    if value > PGR_LIMITS[1]:
        return "triangle-up-open"
    if value < PGR_LIMITS[0]:
        return "triangle-down-open"
    return symbol if row["pgr"]["kind"] == "interval" else f"{symbol}-open"


def _drawn_interval(row: Row) -> tuple[float, float, float]:
    """Return value and interval as far as the axis goes; an unbounded one is drawn as none, its mark is open."""
    pgr = row["pgr"]
    value = min(max(pgr["value"], PGR_LIMITS[0]), PGR_LIMITS[1])
    if pgr["kind"] != "interval" or value != pgr["value"]:
        return value, value, value
    return value, max(pgr["low"], PGR_LIMITS[0] - 1), min(pgr["high"], PGR_LIMITS[1] + 1)


def _level(height: float, dash: str) -> Plain:
    line = {"color": "@muted", "width": 1, "dash": dash}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": height,
        "y1": height,
        "layer": "below",
        "line": line,
    }


def _agreement(lines: Lines) -> Figure:
    groups, data = lines.groups(), []
    for number, group in enumerate(groups):
        for place, where, opened in ((1, "where it is right", ""), (2, "where it is wrong", "-open")):
            rows = [row for row in group[2] if row["agreement"][place] is not None]
            line = _line(lines, (*group[:2], rows), number, len(groups))
            line["marker"] |= {"symbol": line["marker"]["symbol"] + opened}
            line["line"] |= {"dash": "dot" if opened else "solid"}
            data.append(
                line
                | {
                    "showlegend": not opened,
                    "legendgroup": line["name"],
                    "y": [row["agreement"][place] for row in rows],
                    "customdata": [[row["student"], f"of {row['counts'][place]:,} answers"] for row in rows],
                    "hovertemplate": _hover(f"%{{y:.1%}} {where},"),
                }
            )
    told = [
        _told(lines, group, lambda row: " / ".join(f"{percent(each)}%" for each in row["agreement"][1:]))
        for group in groups
    ]
    return Figure(
        task=lines.task,
        kind="agreement",
        title="Agreement with the supervisor against student size",
        note="Filled, solid: where the supervisor is right. Open, dotted: where it is wrong." + lines.note,
        alt="Share of test rows on which the student answers as its supervisor, where that is right / wrong. "
        + "; ".join(told)
        + ".",
        data=data,
        layout=style.layout(
            xaxis=style.size_axis(lines.drawn),
            yaxis=style.share_axis("agreement with supervisor") | {"range": [-0.03, 1.03]},
        ),
    )
