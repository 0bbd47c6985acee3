"""How numbers look in words and tables, on a terminal and on a page. Knows nothing of studies."""

import math


def percent(share: float | None) -> str:
    """Return a share in percent with one decimal, without a negative zero."""
    if share is None or not math.isfinite(share):
        return "none"
    value = round(100 * share, 1) + 0.0
    return f"{value:.1f}" if abs(value) < 1_000 else f"{value:,.0f}"


def signed(share: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    text = percent(share)
    return text if text.startswith("-") else f"+{text}"


def span(low: float, high: float) -> str:
    """Return an interval of shares in percent."""
    return f"[{percent(low)}, {percent(high)}]"


def short_number(number: float) -> str:
    """Return a count with thousands separated."""
    return f"{number:,.0f}"


def size(num_bytes: float) -> str:
    """Return a number of bytes in the unit that fits it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if num_bytes < 1_000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1_000
    return f"{num_bytes:.1f} TB"


def duration(seconds: float) -> str:
    """Return a length of time as a person would say it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def plural(number: int, noun: str) -> str:
    """Return "1 step", "2 steps"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
