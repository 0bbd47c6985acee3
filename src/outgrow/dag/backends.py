"""Where orders are carried out: in this process, or in long-lived worker processes.

A backend takes orders up to its capacity and hands back reports. Messages between driver and workers are JSON
bytes over a pipe. A worker that dies takes only its own order with it, and a fresh one takes its place.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from outgrow.dag.store import Store
from outgrow.dag.work import Order, Outcome, Runtime, perform

SINGLE_THREADED = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

Progress = tuple[str, int, int, str]
"""How far an order is: (key, done, total, unit)."""
Report = Outcome | Progress
"""Either how an order ended, or how far one is."""
SELDOM = 0.2
"""Seconds between two reports of how far an order is."""


class Backend(Protocol):
    """Carries out orders, at most `capacity` at once."""

    capacity: int

    def submit(self, order: Order) -> None:
        """Take an order; never called with more than `capacity` orders outstanding."""

    def reports(self, timeout: float) -> Iterator[Report]:
        """Yield what has come in, waiting up to `timeout` seconds for the first."""

    def close(self) -> None:
        """Stop at once and free everything held."""


class Inline:
    """Carries out one order at a time in this process."""

    capacity = 1

    def __init__(
        self, store: Store, runtime: Runtime, on_progress: Callable[[Progress], None] = lambda report: None
    ) -> None:
        self._store, self._runtime, self._on_progress = store, runtime, on_progress
        self._order: Order | None = None
        os.environ.update(SINGLE_THREADED)

    def submit(self, order: Order) -> None:
        """Keep the order until reports are asked for."""
        self._order = order

    def reports(self, timeout: float) -> Iterator[Report]:
        """Do the order now; how far it is cannot be yielded meanwhile, and goes to `on_progress`."""
        order, self._order = self._order, None
        if order is None:
            time.sleep(timeout)
        else:
            progress = seldom(order.key, self._on_progress)
            yield perform(order, store=self._store, runtime=self._runtime, progress=progress)

    def close(self) -> None:
        """Nothing is held."""


class Processes:
    """Carries out orders in `runtime.jobs` worker processes that live as long as the run."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self.capacity = runtime.jobs
        self._store, self._runtime = store, runtime
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Order]] = {}

    def submit(self, order: Order) -> None:
        """Hand the order to an idle worker, started if there is none."""
        message = json.dumps(asdict(order)).encode()
        while True:
            worker = self._idle.pop() if self._idle else _Worker(self._store, self._runtime)
            try:
                worker.pipe.send_bytes(message)
            except OSError:  # it died while it was idle
                worker.stop()
            else:
                self._busy[worker.pipe] = worker, order
                return

    def reports(self, timeout: float) -> Iterator[Report]:
        """Yield finished orders and progress; a worker that died reports its order as lost."""
        for pipe in wait(list(self._busy), timeout):
            assert isinstance(pipe, Connection)
            worker, order = self._busy[pipe]
            try:
                message = json.loads(pipe.recv_bytes())
            except (EOFError, OSError):
                del self._busy[pipe]
                yield Outcome(order.key, "lost", message=worker.obituary())
                continue
            if isinstance(message, list):
                yield tuple(message)
                continue
            del self._busy[pipe]
            self._idle.append(worker)
            yield Outcome(**message)

    def close(self) -> None:
        """Kill the workers: what they had not published is rubbish by construction."""
        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            worker.stop()


PROGRAM = """
import importlib, json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given.pop("path")
module, _, name = given.pop("function").partition(":")
getattr(importlib.import_module(module), name)(**given)
"""
"""What a process runs. Everything it needs to begin stands in its arguments: its parent may be dead by then."""


def command(function: str, **given: Any) -> list[str]:
    """Return the command of a process that calls this function (module:name) with these arguments, plain data."""
    return [sys.executable, "-c", PROGRAM, json.dumps({"path": sys.path, "function": function, **given})]


def ended_by(code: int) -> str:
    """Return in words which signal ended a process with this exit code, which is below 0."""
    name = signal.Signals(-code).name
    return f"ended by {name}" + (" (out of memory, or killed by hand)" if name == "SIGKILL" else "")


class _Worker:
    """A process of its own. Not one of multiprocessing, which runs the user's script once more in every worker."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        given = {
            "pipe": theirs.fileno(),
            "driver": os.getpid(),
            "root": str(store.root),
            "runtime": asdict(runtime),
        }
        with _interrupts_held_back():
            self.process = subprocess.Popen(
                command("outgrow.dag.backends:serve", **given),
                stdin=subprocess.DEVNULL,
                env=os.environ | SINGLE_THREADED,
                pass_fds=[theirs.fileno()],
            )
        theirs.close()

    def stop(self) -> None:
        """Kill the process and free what is held for it."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()

    def obituary(self) -> str:
        """Return how the process ended, and free what is held for it."""
        self.pipe.close()
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if code < 0:
            return f"the worker was {ended_by(code)}"
        return f"the worker ended with exit code {code}"


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    # A worker inherits the mask: Ctrl-C, sent to the whole process group, must not hit it while it still imports.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(*, pipe: int, driver: int, root: str, runtime: dict[str, Any]) -> None:
    """Carry out the orders that come over the pipe with this descriptor, until it is closed or the driver is dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    threading.Thread(target=die_with, args=(driver,), daemon=True).start()
    connection, store, how = Connection(pipe), Store(root), Runtime(**runtime)

    def tell(message: Any) -> None:
        try:
            connection.send_bytes(json.dumps(message).encode())
        except OSError:
            os._exit(1)  # the driver is gone, and what is not published is rubbish

    while True:
        try:
            order = Order(**json.loads(connection.recv_bytes()))
        except (EOFError, OSError):
            return
        outcome = perform(order, store=store, runtime=how, progress=seldom(order.key, tell))
        tell(asdict(outcome))


def seldom(key: str, tell: Callable[[Progress], None]) -> Callable[[int, int, str], None]:
    """Return what a step tells how far it is, of which now and then something is passed on, and the end always."""
    last = 0.0

    def progress(done: int, total: int, unit: str) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > SELDOM:
            last = time.monotonic()
            tell((key, done, total, unit))

    return progress


def die_with(parent: int) -> None:
    """Watch the process that started this one, and end as soon as it is gone."""
    # A driver that was killed cannot close its workers; its death re-parents them.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
