"""Curves over training, of the students that kept one: the rise and fall of a student that overfits weak labels.

They are diagnostics: every point looked at the truth of fixed test rows, and none of them chose anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from outgrow.numerals import percent, plural
from outgrow.report import style
from outgrow.report.figures import Figure
from outgrow.report.rows import Row
from outgrow.report.style import Plain
from outgrow.results import Results

QUANTITIES = {"accuracy": "test accuracy", "agreement": "agreement with the weak labels"}
TICKS = 34
"""Pixels below a panel for the numbers of its axis."""
HALVES = {"tickvals": [0, 0.5, 1], "ticktext": ["0", "½", "1"]}
NOTE = (
    "Across: share of training, mean over seeds. These curves are diagnostics: they looked at the truth of fixed test "
    "rows, and chose nothing."
)

Point: TypeAlias = tuple[float, Mapping[str, float]]
"""A share of training, and what was measured there."""
Curves: TypeAlias = dict[tuple[str, int], dict[str, list[Point]]]
"""By a comparison's id and a seed: the points of `student` and of `ceiling`."""


def kept_curves(results: Results, rows: Sequence[Row]) -> Curves:
    """Return the curves of every finished cell whose student kept one; rows: the study's, pooled over seeds."""
    ids = {(row["task"], row["supervisor"], row["student"], row["method"]): row["id"] for row in rows}
    found: Curves = {}
    for cell in results.cells:
        name = ids.get((cell.task, cell.supervisor, cell.student, cell.method))
        curves = {"student": _points(results.outputs(cell.result)), "ceiling": _points(results.outputs(cell.ceiling))}
        if name is not None and curves["student"]:
            found[(name, cell.seed)] = curves
    return found


def _points(outputs: Mapping[str, Any]) -> list[Point]:
    curve = outputs.get("curve") or []
    steps = max([outputs.get("steps") or 0, *(each["step"] for each in curve)], default=0)
    return [(round(each["step"] / max(steps, 1), 4), each) for each in curve]


def curve_figures(rows: Sequence[Row], curves: Curves, *, seed: int | None = None) -> list[Figure]:
    """Return the figures of a task's curves, a panel for each pair; rows: its own of this seed (None: pooled).

    None where no student kept a curve.
    """
    kept = [row for row in rows if any((row["id"], each) in curves for each in row["seeds"])]
    return [_figure(kept, curves, quantity, seed) for quantity in QUANTITIES] if kept else []


def _figure(rows: Sequence[Row], curves: Curves, quantity: str, seed: int | None) -> Figure:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    pairs = list(dict.fromkeys((row["supervisor"], row["student"]) for row in rows))
    data, panels, told = _keys(methods, quantity), [], []
    for i, pair in enumerate(pairs):
        of_pair = [row for row in rows if (row["supervisor"], row["student"]) == pair]
        axis = style.share_axis("") | {"title": None, "range": [-0.02, 1.02], "zeroline": False} | HALVES
        panels.append(
            {
                "title": f"{pair[0]} → {pair[1]}",
                "student": pair[1],
                "supervisor": pair[0],
                "xaxis": axis,
                "below": TICKS,
            }
        )
        for row in of_pair:
            points = _mean((curves.get((row["id"], each), {}).get("student", []) for each in row["seeds"]), quantity)
            colour = style.colour(methods.index(row["method"]))
            symbol = style.SYMBOLS[methods.index(row["method"]) % len(style.SYMBOLS)]
            data.append(_trace(row, i, points, row["method"]) | _look(colour, "solid", symbol))
            told.append(f"{pair[0]} to {pair[1]}, {row['method']}: {_words(points)}")
        if quantity == "accuracy":
            data += _references(of_pair, curves, i)
    return Figure(
        task=rows[0]["task"],
        kind="curves",
        title=f"Over training: {QUANTITIES[quantity]}",
        alt=f"{QUANTITIES[quantity]} of students over training. " + "; ".join(told) + ". " + NOTE,
        data=[trace for trace in data if trace["y"]],
        layout=style.layout(xaxis={}, yaxis=style.share_axis(QUANTITIES[quantity])),
        note=NOTE,
        variant={"seed": seed, "quantity": quantity},
        panels=panels,
    )


def _references(rows: Sequence[Row], curves: Curves, panel: int) -> list[Plain]:
    """Return the ceilings' curves of a pair, each once, and the level of its supervisor."""
    found: dict[tuple[tuple[float, float, int], ...], Plain] = {}
    for row in rows:
        points = _mean((curves.get((row["id"], each), {}).get("ceiling", []) for each in row["seeds"]), "accuracy")
        look = _look("@ink", "dash", "line-ew-open")
        found.setdefault(tuple(points), _trace(row, panel, points, "ceiling") | look)
    first = rows[0]
    level = {
        "type": "scatter",
        "mode": "lines",
        "name": "weak",
        "showlegend": False,
        "meta": {"panel": panel},
        "x": [0, 1],
        "y": [first["weak"][0]] * 2,
        "line": {"color": "@muted", "dash": "dot", "width": 1},
        "hovertemplate": f"supervisor {style.safe(first['supervisor'])}: %{{y:.1%}}<extra></extra>",
    }
    return [*found.values(), level]


def _trace(row: Row, panel: int, points: Sequence[tuple[float, float, int]], name: str) -> Plain:
    method = {} if name == "ceiling" else {"method": row["method"]}
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": style.safe(name),
        "showlegend": False,
        "meta": {"panel": panel, "supervisor": row["supervisor"]} | method,
        "x": [share for share, _, _ in points],
        "y": [value for _, value, _ in points],
        "customdata": [[row["student"], plural(seeds, "seed")] for _, _, seeds in points],
        "hovertemplate": "<b>%{fullData.name}</b>, %{x:.0%} of training: %{y:.1%}, %{customdata[1]}<extra></extra>",
    }


def _look(colour: str, dash: str, symbol: str) -> Plain:
    marker = {"color": colour, "symbol": symbol, "size": 6}
    return {"line": {"color": colour, "dash": dash, "width": 2}, "marker": marker}


def _keys(methods: Sequence[str], quantity: str) -> list[Plain]:
    """Return what explains the lines: traces without points."""
    looks: list[tuple[str, Plain, Plain]] = [
        (name, {"method": name}, _look(style.colour(i), "solid", style.SYMBOLS[i % len(style.SYMBOLS)]))
        for i, name in enumerate(methods)
    ]
    if quantity == "accuracy":
        looks.append(("ceiling", {}, _look("@ink", "dash", "line-ew-open")))
        looks.append(("supervisor", {}, _look("@muted", "dot", "line-ew-open")))
    plain = {"type": "scatter", "mode": "lines+markers", "x": [None], "y": [None], "hoverinfo": "skip"}
    return [plain | {"name": style.safe(name), "meta": {"key": True} | meta} | look for name, meta, look in looks]


def _mean(curves: Iterable[Sequence[Point]], quantity: str) -> list[tuple[float, float, int]]:
    """Return share of training, mean over seeds and number of seeds, of every point that some seed has."""
    values: dict[float, list[float]] = {}
    for curve in curves:
        for share, point in curve:
            if point.get(quantity) is not None:
                values.setdefault(share, []).append(point[quantity])
    return [(share, sum(each) / len(each), len(each)) for share, each in sorted(values.items())]


def _words(points: Sequence[tuple[float, float, int]]) -> str:
    """Return where a curve begins, is highest and ends."""
    if not points:
        return "no points"
    best = max(points, key=lambda each: each[1])
    return (
        f"{percent(points[0][1])}% at {percent(points[0][0])}% of training, at most {percent(best[1])}% at "
        f"{percent(best[0])}%, {percent(points[-1][1])}% at the end"
    )
