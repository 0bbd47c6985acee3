"""Figures of several panels beside each other: how they are arranged, and agreement over all tasks of a study.

A panel is a title and an x axis; a trace says in its `meta` in which panel it lies. `arranged` gives plotly's form for
paper; the page arranges its own, as it knows how wide it is and which panels pass its filters.
"""

import copy
import math
from collections.abc import Sequence

from outgrow.numerals import percent
from outgrow.report import style
from outgrow.report.figures import ALL_TASKS, Figure
from outgrow.report.rows import Row
from outgrow.report.style import Plain

GAP, TITLE, INSIDE, TICKS, LETTER = 0.04, 26, 180, 24, 4.9
"""Room between panels, of the width; in pixels a panel's title, its inside, ticks, a letter of a slanted name."""
WHERE = (
    (1, "where the supervisor is right", "@c2", "circle"),
    (2, "where the supervisor is wrong", "@c1", "square-open"),
)


def arranged(figure: Figure) -> tuple[list[Plain], Plain]:
    """Return data and layout of a figure with its panels side by side; one without panels as it is."""
    data, layout = copy.deepcopy(figure.data), copy.deepcopy(figure.layout)
    if not figure.panels:
        return data, layout
    count = len(figure.panels)
    columns = 2 if count == 4 else min(count, 3)
    lines = math.ceil(count / columns)
    below = max(panel["below"] for panel in figure.panels)
    each = TITLE + INSIDE + below
    height = lines * each
    template = layout.pop("yaxis")
    layout["margin"]["b"] = 4
    layout |= {"height": height + layout["margin"]["t"] + layout["margin"]["b"], "annotations": []}
    for i, panel in enumerate(figure.panels):
        left = (i % columns) / columns + (GAP / 2 if i % columns else 0)
        right = (i % columns + 1) / columns - GAP / 2
        top = 1 - (i // columns) / lines - TITLE / height
        bottom = 1 - (i // columns + 1) / lines + below / height
        name = str(i + 1) if i else ""
        layout[f"xaxis{name}"] = panel["xaxis"] | {"domain": [left, right], "anchor": f"y{name}"}
        inner = {"title": None, "showticklabels": False} if i % columns else {}
        layout[f"yaxis{name}"] = template | {"domain": [bottom, top], "anchor": f"x{name}"} | inner
        layout["annotations"].append(_title(panel["title"], left, top))
    for trace in data:
        name = str(trace["meta"]["panel"] + 1) if trace["meta"].get("panel") else ""
        trace |= {"xaxis": f"x{name}", "yaxis": f"y{name}"}
    return data, layout


def _title(text: str, left: float, top: float) -> Plain:
    places = {"x": left, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return places | {"text": f"<b>{style.safe(text)}</b>", "showarrow": False, "font": {"size": 13}}


def agreement_figure(
    rows: Sequence[Row], sizes: dict[str, int], *, seed: int | None = None, method: str | None = None
) -> Figure:
    """Return agreement with the supervisor against student size, a panel for each task.

    rows: of this seed (None: pooled). method: None takes of every task naive, or what it has in its place.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    supervisors = list(dict.fromkeys(row["supervisor"] for row in rows))
    data, panels, told = _keys(supervisors), list[Plain](), list[str]()
    for task in tasks:
        of_task = [row for row in rows if row["task"] == task]
        shown = method or baseline([row["method"] for row in of_task])
        drawn = [row for row in of_task if row["method"] == shown]
        if not drawn:
            continue
        places = style.apart({row["student"]: sizes[row["student"]] for row in drawn if row["student"] in sizes})
        for supervisor in dict.fromkeys(row["supervisor"] for row in drawn):
            line = sorted((r for r in drawn if r["supervisor"] == supervisor), key=lambda r: sizes.get(r["student"], 0))
            dash = style.DASHES[supervisors.index(supervisor) % len(style.DASHES)]
            data += [_line(line, places, len(panels), each, dash) for each in WHERE]
            points = ", ".join(
                f"{r['student']} {' / '.join(f'{percent(v)}%' for v in r['agreement'][1:])}" for r in line
            )
            told.append(f"{task}, {shown} from {supervisor}: {points}")
        axis = style.size_axis(places) | {"title": None}
        title = task if shown == "naive" else f"{task}, {shown}"
        panels.append({"title": title, "task": task, "xaxis": axis, "below": _below(axis)})
    return Figure(
        task=ALL_TASKS,
        kind="agreement-of-all",
        title="Agreement with the supervisor, all tasks",
        alt="Share of test rows on which the student answers as its supervisor, where that is right / wrong. "
        + "; ".join(told)
        + ".",
        data=data,
        layout=style.layout(xaxis={}, yaxis=_axis()),
        note="Across: student size (non-embedding parameters). A student that outgrows its supervisor keeps what that "
        "gets right (filled) and drops its mistakes (open).",
        variant={"seed": seed, "method": method or ""},
        panels=panels,
    )


def _below(axis: Plain) -> float:
    """Return the pixels that the names below a panel need, slanted; one that is very long runs out of them."""
    return TICKS + LETTER * min(24, max(map(len, axis["ticktext"]), default=0))


def baseline(methods: Sequence[str]) -> str:
    """Return the plain method among these: naive, or naive-hard, or the first."""
    return next((each for each in ("naive", "naive-hard") if each in methods), methods[0])


def _axis() -> Plain:
    return style.share_axis("agreement") | {"range": [-0.03, 1.03]}


def _keys(supervisors: Sequence[str]) -> list[Plain]:
    """Return what explains colours and, where there are several supervisors, dashes: traces without points."""
    plain = {"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip"}
    found = [
        plain
        | {
            "mode": "lines+markers",
            "name": name,
            "meta": {"key": True},
            "line": {"color": colour, "width": 2},
            "marker": {"color": colour, "symbol": symbol, "size": 9},
        }
        for _, name, colour, symbol in WHERE
    ]
    for i, name in enumerate(supervisors if len(supervisors) > 1 else []):
        line = {"color": "@muted", "dash": style.DASHES[i % len(style.DASHES)], "width": 2}
        meta = {"key": True, "supervisor": name}
        found.append(plain | {"mode": "lines", "name": style.safe(name), "meta": meta, "line": line})
    return found


def _line(
    line: Sequence[Row], places: dict[str, float], panel: int, where: tuple[int, str, str, str], dash: str
) -> Plain:
    place, told, colour, symbol = where
    rows = [row for row in line if row["agreement"][place] is not None]
    first = line[0]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": style.safe(f"{first['method']} from {first['supervisor']}"),
        "showlegend": False,
        "meta": {"panel": panel, "supervisor": first["supervisor"], "method": first["method"]},
        "x": [places.get(row["student"], 1) for row in rows],
        "y": [row["agreement"][place] for row in rows],
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "symbol": symbol, "size": 8},
        "customdata": [[row["student"], f"{told}, of {row['counts'][place]:,} answers"] for row in rows],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{customdata[0]}: %{y:.1%} %{customdata[1]}<extra></extra>",
    }
