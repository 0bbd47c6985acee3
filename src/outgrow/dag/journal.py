"""What happened in a run, one JSON line an event, beside the records; and what a run is doing, read from outside.

runs/20261122T201530-4711.jsonl    a header with the run's name, its events, and how it ended
runs/20261122T201530-4711.lock     held by the driver as long as it lives

A log is an extra: where it cannot be written the run goes on without it.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from outgrow.dag.housekeeping import remember
from outgrow.dag.scheduler import Event, Summary, run_graph, survey
from outgrow.dag.step import Step
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime

LASTING = frozenset({"built", "cached", "failed", "skipped"})


class Journal:
    """The open log of one run."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

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

    def end(self, how: str) -> None:
        """Write how the run ended: done, failed or interrupted. A run that was killed has no such line."""
        self._write({"event": "end", "how": how})

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._descriptor is None:
            return
        # A line begins with its own line break, so that one cut short (a full disk) spoils no other.
        line = "\n" + json.dumps({"time": round(time.time(), 3), **entry}, ensure_ascii=False)
        with suppress(OSError):
            os.write(self._descriptor, line.encode())


@contextmanager
def open_journal(store: Store) -> Iterator[Journal]:
    """Open the log of a new run, and hold its lock while the run lasts."""
    folder = store.root / "runs"
    stem = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"
    lock = FileLock(folder / f"{stem}.lock")
    descriptor = None
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
        descriptor = os.open(folder / f"{stem}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        yield Journal(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)
        lock.release()


def run_logged(
    targets: Iterable[Step],
    *,
    name: str,
    store: Store,
    runtime: Runtime,
    on_event: Callable[[Event], None] = lambda event: None,
    before: Summary | None = None,
) -> Summary:
    """Run a graph as `run_graph` does; the store remembers what it needs and keeps a log of what happened.

    `before` is a survey of the same targets, if one was made. Where nothing is to be done nothing is logged, and a
    store that can only be read will do.
    """
    targets = list(targets)
    before = before or survey(targets, store=store)
    waiting = before.count("waiting")
    if not waiting:
        with suppress(OSError):
            remember(store, name=name, targets=targets)
        return before
    store.prepare()
    remember(store, name=name, targets=targets)
    with open_journal(store) as journal:

        def both(event: Event) -> None:
            journal.event(event)
            on_event(event)

        journal.header(name=name, steps=waiting, cached=len(before.steps) - waiting, jobs=runtime.jobs)
        try:
            summary = run_graph(targets, store=store, runtime=runtime, on_event=both)
        except KeyboardInterrupt:
            journal.end("interrupted")
            raise
        journal.end("done" if summary.ok else "failed")
        return summary


@dataclass
class RunState:
    """A run as its log tells it: `alive` while its driver lives, `how` once it ended by itself."""

    name: str
    alive: bool
    started: float
    total: int
    how: str = ""
    ended: dict[str, str] = field(default_factory=dict)
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    last: float = 0.0
    build_seconds: list[float] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Return running, done, failed, interrupted, or killed (it ended without a word)."""
        return "running" if self.alive else self.how or "killed"

    def count(self) -> Counter[str]:
        """Return how many steps ended how; `waiting` are those not begun, or begun by a driver that is gone."""
        counts = Counter(self.ended.values())
        counts["running"] = len(self.running) if self.alive else 0
        counts["waiting"] = max(0, self.total - sum(counts.values()))  # damage found on the way adds steps
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
    return _states(_logs(store))


def current_runs(store: Store) -> list[RunState]:
    """Return the runs whose drivers live, or else the last one; older logs are not read."""
    logs = _logs(store)
    return _states([path for path in logs if _alive(path)] or logs[-1:])


def run_goes_on(store: Store) -> bool:
    """Return whether the driver of any run on the store lives."""
    return any(_alive(path) for path in (store.root / "runs").glob("*.lock"))


def _logs(store: Store) -> list[Path]:
    return sorted((store.root / "runs").glob("*.jsonl"))


def _states(logs: list[Path]) -> list[RunState]:
    return [state for path in logs if (state := _read(path)) is not None]


def _read(path: Path) -> RunState | None:
    alive, state = _alive(path), None  # asked first: a run that ends meanwhile has then written its last line
    for entry in _entries(path):
        if entry["event"] == "run":
            state = RunState(entry.get("name", "?"), alive, entry["time"], entry.get("steps", 0), last=entry["time"])
        elif state is not None:
            _apply(state, entry)
    return state


def _apply(state: RunState, entry: Mapping[str, Any]) -> None:
    kind, state.last = entry["event"], entry["time"]
    if kind == "end":
        state.how = entry.get("how", "")
        return
    key, title = entry.get("key", ""), entry.get("title", "")
    state.running.pop(key, None)
    if kind == "running":
        state.running[key] = title, entry["time"]
    elif kind in LASTING:
        state.ended[key] = kind
        if kind == "built":
            state.build_seconds.append(entry.get("seconds", 0.0))
        elif kind == "failed":
            state.failures[title] = entry.get("message", "")
    else:  # damaged, lost, elsewhere: it is to be done again
        state.ended.pop(key, None)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "event" in entry and isinstance(entry.get("time"), int | float):
            yield entry


def _alive(path: Path) -> bool:
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # a store that can only be read: no driver can run on it
        return False
    lock.release()
    return False
