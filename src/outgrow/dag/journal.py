"""What happened in a run, one JSON line an event, beside the records; and what a run is doing, read from outside.

runs/20261122T201530-4711.jsonl    a header with the run's name, then its events
runs/20261122T201530-4711.lock     held by the driver as long as it lives
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from outgrow.dag.scheduler import Event
from outgrow.dag.store import Store

LASTING = frozenset({"built", "cached", "failed", "skipped"})


class Journal:
    """The open log of one run."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def header(self, **fields: Any) -> None:
        """Write what the run is: its name, its number of steps."""
        self._write({"event": "run", **fields})

    def event(self, event: Event) -> None:
        """Write one event; progress within a step is not kept."""
        if event.kind == "progress":
            return
        entry: dict[str, Any] = {"event": event.kind, "key": event.step.key, "title": event.step.title}
        if event.seconds:
            entry["seconds"] = round(event.seconds, 3)
        if event.message:
            entry["message"] = event.message
        self._write(entry)

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps({"time": round(time.time(), 3), **entry}, ensure_ascii=False) + "\n")
        self._file.flush()


@contextmanager
def open_journal(store: Store) -> Iterator[Journal]:
    """Open the log of a new run, and hold its lock while the run lasts."""
    folder = store.root / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
    with FileLock(folder / f"{stem}.lock"), (folder / f"{stem}.jsonl").open("a", encoding="utf-8") as file:
        yield Journal(file)


@dataclass
class RunState:
    """A run as its log tells it: `alive` while its driver lives."""

    name: str
    alive: bool
    started: float
    total: int
    ended: dict[str, str] = field(default_factory=dict)
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    last: float = 0.0
    build_seconds: list[float] = field(default_factory=list)

    def count(self) -> Counter[str]:
        """Return how many steps ended how; `waiting` are those not begun."""
        counts = Counter(self.ended.values())
        counts["running"] = len(self.running) if self.alive else 0
        counts["waiting"] = self.total - sum(counts.values())
        return counts

    def rate(self) -> float:
        """Return steps built per second of wall time, 0 where none was."""
        elapsed = (time.time() if self.alive else self.last) - self.started
        return len(self.build_seconds) / elapsed if self.build_seconds and elapsed > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Return the wall time left at the present rate, None where there is none yet."""
        counts = self.count()
        left = counts["running"] + counts["waiting"]
        return left / self.rate() if self.rate() else None


def read_runs(store: Store) -> list[RunState]:
    """Return every run that the store has a log of, newest last. A line cut short by a kill is passed over."""
    return [state for path in sorted((store.root / "runs").glob("*.jsonl")) if (state := _read(path)) is not None]


def _read(path: Path) -> RunState | None:
    state = None
    for entry in _entries(path):
        if entry["event"] == "run":
            state = RunState(entry.get("name", "?"), _alive(path), entry["time"], entry.get("steps", 0))
        elif state is not None:
            _apply(state, entry)
    return state


def _apply(state: RunState, entry: Mapping[str, Any]) -> None:
    key, kind = entry["key"], entry["event"]
    state.last = entry["time"]
    state.running.pop(key, None)
    if kind == "running":
        state.running[key] = entry["title"], entry["time"]
    elif kind in LASTING:
        state.ended[key] = kind
        if kind == "built":
            state.build_seconds.append(entry.get("seconds", 0.0))


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "event" in entry and "time" in entry:
            yield entry


def _alive(path: Path) -> bool:
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False
