"""Runs a graph of steps: what is in the store is not done again, what fails takes down only what needs it."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from outgrow.dag.backends import Backend, Inline, Processes, Progress
from outgrow.dag.step import Step, closure
from outgrow.dag.store import DamagedArtefactError, Store
from outgrow.dag.work import Order, Outcome, Runtime

Status = Literal["waiting", "running", "cached", "built", "failed", "skipped"]
BUSY_PAUSE = 0.2
MAX_ATTEMPTS = 3
"""How often an order is tried when its worker dies or its inputs turn out damaged. Its own errors are final."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a step.

    `kind`: a status, or progress, damaged, lost, elsewhere. After `waiting` it was begun in vain and is done again.
    """

    kind: str
    step: Step
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    seconds: float = 0.0


@dataclass
class Summary:
    """How every needed step of a graph ended, by key; `failures` has the outcome of each that failed."""

    steps: dict[str, Step]
    status: dict[str, Status]
    failures: dict[str, Outcome] = field(default_factory=dict)

    def count(self, status: Status) -> int:
        """Return how many steps ended so."""
        return sum(each == status for each in self.status.values())

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def run_graph(
    targets: Iterable[Step],
    *,
    store: Store,
    runtime: Runtime,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Summary:
    """Build everything the targets need that the store has not, and return how each step ended."""
    graph = _Graph(targets, store, on_event)
    if graph.unfinished():
        store.prepare()
        with _backend(store, runtime, graph.show_progress) as backend:
            graph.run(backend)
    return graph.summary


def survey(targets: Iterable[Step], *, store: Store) -> Summary:
    """Return which steps the store has (cached) and which a run would build (waiting); changes nothing."""
    return _Graph(targets, store, lambda event: None).summary


@contextmanager
def _backend(store: Store, runtime: Runtime, on_progress: Callable[[Progress], None]) -> Iterator[Backend]:
    backend: Backend = Inline(store, runtime, on_progress) if runtime.jobs == 1 else Processes(store, runtime)
    try:
        yield backend
    finally:
        backend.close()


class _Graph:
    """The state of one run: which step waits for which.

    A step is needed if it is a target, or if a needed step that is not finished reads it. A finished step's inputs
    need not be there any more.
    """

    def __init__(self, targets: Iterable[Step], store: Store, on_event: Callable[[Event], None]) -> None:
        targets = list(targets)
        self._steps, self._store, self._on_event = closure(targets), store, on_event
        self._status: dict[str, Status] = {}
        self._attempts: Counter[str] = Counter()
        self._damaged: dict[str, str] = {}
        self._ready: deque[str] = deque()
        self._readers: dict[str, list[str]] = {key: [] for key in self._steps}
        for key, step in self._steps.items():
            for each in step.inputs.values():
                self._readers[each.key].append(key)
        for target in targets:
            self._need(target.key)
        self._ready.extend(key for key in self._steps if self._may_start(key))
        self.summary = Summary(self._steps, self._status)

    def _need(self, key: str) -> None:
        stack = [key]
        while stack:
            each = stack.pop()
            if each not in self._status:
                self._status[each] = "cached" if self._finished(each) else "waiting"
                if self._status[each] == "waiting":
                    stack.extend(other.key for other in self._steps[each].inputs.values())

    def unfinished(self) -> bool:
        """Return whether anything is left to do or under way."""
        return any(status in ("waiting", "running") for status in self._status.values())

    def show_progress(self, report: Progress) -> None:
        """Say how far a step is."""
        key, done, total, unit = report
        self._on_event(Event("progress", self._steps[key], done=done, total=total, unit=unit))

    def run(self, backend: Backend) -> None:
        """Hand out what is ready and take in what comes back, until nothing is left."""
        for key, message in self._damaged.items():
            self._put_aside(key, message)
        running = 0
        while self.unfinished():
            while self._ready and running < backend.capacity:
                running += self._start(self._ready.popleft(), backend)
            outcomes = []
            for report in backend.reports(timeout=0.5):
                if isinstance(report, Outcome):
                    outcomes.append(report)
                    self._settle(report)
                else:
                    self.show_progress(report)
            running -= len(outcomes)
            busy = sum(outcome.status == "busy" for outcome in outcomes)
            if busy and busy == len(outcomes) == len(self._ready):
                time.sleep(BUSY_PAUSE)  # all that is ready is in other hands: ask again in a moment

    def _start(self, key: str, backend: Backend) -> int:
        if not self._may_start(key):
            return 0
        self._set(key, "running")
        backend.submit(Order.of(self._steps[key]))
        return 1

    def _settle(self, outcome: Outcome) -> None:
        key = outcome.key
        if outcome.status in ("built", "cached"):
            self._set(key, "built" if outcome.status == "built" else "cached", seconds=outcome.seconds)
            self._ready.extend(reader for reader in self._readers[key] if self._may_start(reader))
        elif outcome.status == "busy":
            self._again(key, "elsewhere")
        elif outcome.status == "failed" or self._attempts[outcome.damaged_key or key] + 1 >= MAX_ATTEMPTS:
            self._fail(outcome)
        else:
            self._attempts[outcome.damaged_key or key] += 1
            # It is an input that is damaged, not the step that found it so.
            self._again(key, "waiting" if outcome.status == "damaged" else outcome.status, outcome.message)
            if outcome.status == "damaged":
                self._rebuild(outcome.damaged_key, outcome.message)

    def _again(self, key: str, why: str, message: str = "") -> None:
        self._on_event(Event(why, self._steps[key], message=message))
        self._status[key] = "waiting"
        if self._may_start(key):
            self._ready.append(key)

    def _rebuild(self, key: str, message: str) -> None:
        """Put a damaged step aside and need it again, with whatever it needs itself."""
        self._put_aside(key, message)
        self._status.pop(key, None)
        self._need(key)
        for done, status in list(self._status.items()):
            if status in ("failed", "skipped"):  # what is needed again may need what has failed meanwhile
                self._skip_readers(done)
        self._ready.extend(each for each in self._steps if self._may_start(each) and each not in self._ready)

    def _put_aside(self, key: str, message: str) -> None:
        with self._store.claim(key) as mine:
            if mine and self._store.folder(key).exists():
                if not self._store.is_damaged(key):
                    return  # another process has built it anew meanwhile
                self._store.quarantine(key)
        self._on_event(Event("damaged", self._steps[key], message=message))

    def _fail(self, outcome: Outcome) -> None:
        self.summary.failures[outcome.key] = outcome
        self._set(outcome.key, "failed", message=outcome.message, seconds=outcome.seconds)
        self._skip_readers(outcome.key)

    def _skip_readers(self, failed: str) -> None:
        doomed = deque(self._readers[failed])
        while doomed:
            key = doomed.popleft()
            if self._status.get(key) == "waiting":
                self._set(key, "skipped", message=f"needs {self._steps[failed].title}")
                doomed.extend(self._readers[key])

    def _finished(self, key: str) -> bool:
        try:
            return self._store.get(key) is not None
        except DamagedArtefactError as error:
            self._damaged[key] = str(error)
            return False

    def _may_start(self, key: str) -> bool:
        inputs = self._steps[key].inputs.values()
        return self._status.get(key) == "waiting" and all(
            self._status.get(each.key) in ("built", "cached") for each in inputs
        )

    def _set(self, key: str, status: Status, *, message: str = "", seconds: float = 0.0) -> None:
        self._status[key] = status
        self._on_event(Event(status, self._steps[key], message=message, seconds=seconds))
