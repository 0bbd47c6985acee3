"""How a running graph looks: a live display on a terminal, one plain line a finished step elsewhere. All on stderr."""

import os
import sys
import time
from collections import defaultdict
from types import TracebackType
from typing import Any, Protocol

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from outgrow.cli.output import console, note
from outgrow.dag.scheduler import Event, Summary
from outgrow.dag.step import Step
from outgrow.numerals import duration


class Display(Protocol):
    """Shows events while it is entered."""

    def __enter__(self) -> "Display":
        """Start to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the terminal as it was."""

    def show(self, event: Event) -> None:
        """Take in one event."""


class Tally:
    """How far a run is, and how long the rest should take, going by steps of the same kind and model."""

    def __init__(self, before: Summary, *, jobs: int) -> None:
        self.total = len(before.steps)
        self._left = {key: before.steps[key] for key, status in before.status.items() if status == "waiting"}
        self._jobs = jobs
        self._started: dict[str, float] = {}
        self._seconds: dict[Any, list[float]] = defaultdict(list)

    @property
    def done(self) -> int:
        """Return how many steps are finished, or not needed because what reads them is."""
        return self.total - len(self._left)

    def take(self, event: Event) -> None:
        """Count one event."""
        key = event.step.key
        if event.kind == "running":
            self._started[key] = time.monotonic()
        elif event.kind in ("lost", "elsewhere", "damaged", "waiting"):
            self._left[key] = event.step
            self._started.pop(key, None)
        elif event.kind != "progress":
            self._left.pop(key, None)
            self._started.pop(key, None)
        if event.kind == "built":
            for group in _groups(event.step):
                self._seconds[group].append(event.seconds)

    def seconds_left(self) -> float | None:
        """Return the expected time to the end, None before anything was finished."""
        if not self._seconds:
            return None
        now, left = time.monotonic(), 0.0
        for key, step in self._left.items():
            begun = now - self._started.get(key, now)
            left += max(self._expected(step) - begun, 0.0)
        return left / max(1, min(self._jobs, len(self._left)))

    def _expected(self, step: Step) -> float:
        known = next(self._seconds[group] for group in _groups(step) if group in self._seconds)
        return sum(known) / len(known)


def _groups(step: Step) -> list[Any]:
    """Return what a step's duration may be judged by, the closest likeness first."""
    model = step.spec.get("model") or step.spec.get("recipe") or {}
    return [(step.kind, str(sorted(model.items()))), step.kind, "any"]


class Lines:
    """One line a finished step."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting_for: set[str] = set()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def show(self, event: Event) -> None:
        """Print the event if it is the end of a step, or trouble."""
        self._tally.take(event)
        if event.kind == "elsewhere" and event.step.key in self._waiting_for:
            return
        self._waiting_for.add(event.step.key)
        line = told(event)
        if line:
            note(f"[{self._tally.done}/{self._tally.total}] {line}")


class Bars:
    """An overall bar with the time left, and one line per running step."""

    def __init__(self, title: str, tally: Tally) -> None:
        self._tally = tally
        self._overall = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total} steps", markup=False),
            TextColumn("{task.fields[left]}", markup=False, justify="right"),
            expand=True,
        )
        self._running = Progress(
            TextColumn("  {task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[amount]}", markup=False, table_column=Column(width=24, no_wrap=True)),
            expand=True,
        )
        self._bar = self._overall.add_task(title, total=tally.total, completed=tally.done, left="")
        self._lines: dict[str, TaskID] = {}
        self._live = Live(
            Group(self._overall, self._running), console=console(sys.stderr), refresh_per_second=5, transient=True
        )

    def __enter__(self) -> "Bars":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Redraw with the event taken in; trouble is printed above and stays."""
        self._tally.take(event)
        if event.kind == "running":
            self._line(event.step)
        elif event.kind == "progress":
            amount = f"{event.done:,}/{event.total:,} {event.unit}"
            self._running.update(self._line(event.step), completed=event.done, total=event.total, amount=amount)
        elif event.step.key in self._lines:
            self._running.remove_task(self._lines.pop(event.step.key))
        if event.kind in ("failed", "damaged", "lost"):
            self._live.console.print(told(event))
        left = self._tally.seconds_left()
        remaining = "" if left is None else f"about {duration(left)} left"
        self._overall.update(self._bar, completed=self._tally.done, left=remaining)

    def _line(self, step: Step) -> TaskID:
        if step.key not in self._lines:
            self._lines[step.key] = self._running.add_task(step.title, total=None, amount="")
        return self._lines[step.key]


def told(event: Event) -> str:
    """Return an event as a line, empty for one that is not worth one."""
    title = event.step.title
    lines = {
        "built": f"{title} ({duration(event.seconds)})",
        "cached": f"{title} (done by another process)",
        "failed": f"FAILED {title}: {event.message}",
        "skipped": f"skipped {title}: {event.message}",
        "damaged": f"DAMAGED and built anew: {title} ({event.message})",
        "lost": f"LOST, tried again: {title} ({event.message})",
        "elsewhere": f"waiting for another process that does {title}",
    }
    return lines.get(event.kind, "")


def display(title: str, before: Summary, *, jobs: int, plain: bool) -> Display:
    """Return the display that suits where stderr goes."""
    tally = Tally(before, jobs=jobs)
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return Bars(title, tally) if live and not plain else Lines(tally)
