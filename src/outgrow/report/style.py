"""What figures have in common: colours by name, marks, axes, the text that plotly is given. Draws nothing itself.

Colours are written as names such as `@ink`; who draws the figure puts in those of its theme. The page takes them from
its style sheet, a file for a paper from `LIGHT`.
"""

import html
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

Plain: TypeAlias = dict[str, Any]

LIGHT = {
    "@ink": "#1c2126",
    "@muted": "#5b6570",
    "@grid": "#e3e6ea",
    "@paper": "#ffffff",
    "@low": "#b35806",
    "@middle": "#f7f7f7",
    "@high": "#2166ac",
    "@c0": "#0072b2",
    "@c1": "#d55e00",
    "@c2": "#00805d",
    "@c3": "#b8508f",
    "@c4": "#a06a00",
    "@c5": "#3d7fb0",
    "@c6": "#6d4fa3",
    "@c7": "#6b7280",
}
"""A palette after Okabe and Ito, darkened where white would swallow it. Marks and dashes tell the same apart."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "cross", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LEAST_APART = 0.15
"""Models stand at least this share of the axis apart."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def themed(value: Any, colours: dict[str, str]) -> Any:
    """Return a figure with the names of colours replaced."""
    if isinstance(value, dict):
        return {key: themed(each, colours) for key, each in value.items()}
    if isinstance(value, list):
        return [themed(each, colours) for each in value]
    return colours.get(value, value) if isinstance(value, str) else value


def safe(text: str) -> str:
    """Return a text for plotly, which reads some tags in what it draws."""
    return html.escape(text, quote=False)


def colour(index: int) -> str:
    """Return the name of a colour."""
    return f"@c{index % 8}"


def apart(sizes: Mapping[str, int]) -> dict[str, float]:
    """Return where models stand on the axis: at their sizes, those of almost equal size moved apart."""
    ordered = sorted(sizes.items(), key=lambda each: each[1])
    if not ordered:
        return {}
    least = max(LEAST_APART * math.log10(ordered[-1][1] / ordered[0][1]), 0.02)
    found, before = {}, -math.inf
    for name, size in ordered:
        before = max(math.log10(size), before + least)
        found[name] = 10**before if before > math.log10(size) else float(size)
    return found


def size_axis(places: Mapping[str, float]) -> Plain:
    """Return a logarithmic axis of model sizes in non-embedding parameters, a tick for each model."""
    ordered = sorted(places.items(), key=lambda each: each[1])
    ends = [math.log10(value) for _, value in (ordered[:1] + ordered[-1:])] or [0.0, 0.0]
    room = max(0.2, 0.1 * (ends[1] - ends[0]))  # without a range of its own one size would fill the whole width
    return {
        "type": "log",
        "range": [ends[0] - room, ends[1] + room],
        "title": _title("student size (non-embedding parameters)"),
        "tickvals": [value for _, value in ordered],
        "ticktext": [safe(_short(name)) for name, _ in ordered],
        # Slanted names end at their tick: those that began there would run out of the figure, and be left out.
        "autotickangles": [0, -40, -90],
        **_axis(),
    }


def _short(name: str) -> str:
    """Return the last part of a name that is a path."""
    return name.rstrip("/").rpartition("/")[2]


def share_axis(title: str) -> Plain:
    """Return an axis of shares, in percent."""
    return {"title": _title(title), "tickformat": ".0%", **_axis()}


def named_axis(title: str) -> Plain:
    """Return an axis of names."""
    return {"type": "category", "title": _title(title), "automargin": True, "showgrid": False, "linecolor": "@muted"}


def _title(text: str) -> Plain:
    return {"text": text, "standoff": 8, "font": {"size": 12}}


def _axis() -> Plain:
    return {
        "gridcolor": "@grid",
        "linecolor": "@muted",
        "zerolinecolor": "@muted",
        "zerolinewidth": 1,
        "ticks": "outside",
        "tickcolor": "@muted",
        "ticklen": 4,
        "automargin": True,
    }


def layout(*, xaxis: Plain, yaxis: Plain, height: int = 400) -> Plain:
    """Return a figure's layout: no title, as page and caption say it; the legend below."""
    return {
        "font": {"family": FONT, "size": 13, "color": "@ink"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
        "height": height,
        "xaxis": xaxis,
        "yaxis": yaxis,
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0, "font": {"size": 12}, "maxheight": 1},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@muted", "font": {"color": "@ink", "family": FONT}},
    }
