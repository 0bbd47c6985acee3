"""The heat maps of supervisors against students, as plain data in plotly's form."""

import math
from collections.abc import Sequence
from itertools import product

from outgrow.numerals import percent
from outgrow.report import style
from outgrow.report.figures import Figure
from outgrow.report.rows import Row

LEAST_REACH = 0.1
"""The colours span at least this much on both sides of zero, so that noise looks pale."""

QUANTITIES = {"gain": "gain over the floor", "pgr": "PGR", "net_pgr": "net PGR"}


def heat_maps(rows: Sequence[Row], sizes: dict[str, int], *, seed: int | None = None) -> list[Figure]:
    """Return a task's heat maps, one for each quantity and method; its rows are all of this seed (None: pooled)."""
    methods = dict.fromkeys(row["method"] for row in rows)
    ordered = sorted(rows, key=lambda row: sizes.get(row["student"], 0))
    return [_heat_map(ordered, seed, quantity, method) for quantity in QUANTITIES for method in methods]


def _heat_map(task_rows: Sequence[Row], seed: int | None, quantity: str, method: str) -> Figure:
    rows = {(row["supervisor"], row["student"]): row for row in task_rows if row["method"] == method}
    supervisors, students = (list(dict.fromkeys(pair[i] for pair in rows)) for i in (0, 1))
    values = [[_value(rows.get(pair), quantity) for pair in product([name], students)] for name in supervisors]
    finite = [abs(each) for line in values for each in line if each is not None]
    reach = min(max([*finite, LEAST_REACH]), 1.0)
    texts = [[_cell_text(rows.get((name, each)), quantity) for each in students] for name in supervisors]
    told = [
        f"{name} to {student} {texts[i][j]}"
        for i, name in enumerate(supervisors)
        for j, student in enumerate(students)
        if texts[i][j]
    ]
    return Figure(
        task=task_rows[0]["task"],
        kind="heat-map",
        title=f"{QUANTITIES[quantity][0].upper()}{QUANTITIES[quantity][1:]} by supervisor and student, {method}",
        alt=f"{QUANTITIES[quantity]} of {method}. " + "; ".join(told) + ".",
        data=[
            {
                "type": "heatmap",
                "meta": {"method": method, "rows": supervisors, "columns": students},
                "x": [style.safe(each) for each in students],
                "y": [style.safe(each) for each in supervisors],
                "z": values,
                "text": texts,
                "texttemplate": "%{text}",
                "zmin": -reach,
                "zmax": reach,
                "colorscale": [[0, "@low"], [0.5, "@middle"], [1, "@high"]],
                "colorbar": {"tickformat": ".0%", "thickness": 12, "outlinewidth": 0},
                "xgap": 2,
                "ygap": 2,
                "hovertemplate": "%{y} → %{x}: %{text}<extra></extra>",
            }
        ],
        layout=style.layout(
            xaxis=style.named_axis("student"),
            yaxis=style.named_axis("supervisor"),
            height=max(300, 160 + 60 * len(supervisors)),
        ),
        note="Blue: above zero, brown: below.",
        variant={"seed": seed, "quantity": quantity, "method": method},
    )


def _value(row: Row | None, quantity: str) -> float | None:
    if row is None or row[quantity] is None:
        return None
    value = row["gain"][0] if quantity == "gain" else row[quantity]["value"]
    return None if value is None or not math.isfinite(value) else value


def _cell_text(row: Row | None, quantity: str) -> str:
    if row is None:
        return ""
    if quantity == "gain":
        return f"{100 * row['gain'][0]:+.1f}"
    value = _value(row, quantity)
    if value is None:
        return "none"
    return f"{percent(value)}%" + ("" if row[quantity]["kind"] == "interval" else " (unbounded)")
