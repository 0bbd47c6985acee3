"""Doing one step: claim it, call its function in a scratch folder, publish what it left. Runs in workers."""

import importlib
import os
import platform
import re
import resource
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from outgrow.dag.step import Step
from outgrow.dag.store import NO_ROOM, Artefact, DamagedArtefactError, Store
from outgrow.errors import UsageError

NO_ROOM_TOLD = re.compile(r"No space left|File too large|quota exceeded|requested and \d+ written|os error 2[78]")
DEVICE = re.compile(r"cpu|cuda(:\d+)?")
RECORDED_PACKAGES = ("outgrow", "torch", "transformers", "numpy", "scipy", "pyarrow", "chess")


@dataclass(frozen=True)
class Runtime:
    """How to compute, never what: nothing in here may change a number, so nothing in here is hashed."""

    jobs: int = 1
    device: str = "cpu"
    threads: int = 1
    gpus: int = 1
    """Processes that share each model, one a GPU (or one a part of the cores, on a CPU)."""

    def __post_init__(self) -> None:
        if not DEVICE.fullmatch(self.device):
            raise UsageError(f"the device {self.device!r} is none of cpu, cuda and cuda:N")
        if self.gpus < 1 or (self.gpus > 1 and ":" in self.device):
            raise UsageError(f"{self.gpus} GPUs on the device {self.device}: name 1 of them, or several and cuda")


@dataclass(frozen=True)
class Order:
    """A step as it travels to a worker: plain data, its inputs by key."""

    key: str
    function: str
    version: int
    spec: Mapping[str, Any]
    inputs: Mapping[str, str]
    title: str = ""
    places: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, step: Step) -> "Order":
        """Return the order for this step."""
        inputs = {name: each.key for name, each in step.inputs.items()}
        return cls(step.key, step.function, step.version, step.spec, inputs, step.title, step.places)


@dataclass(frozen=True)
class Outcome:
    """What became of an order.

    `status`: built, cached, busy (another process has it), damaged (an input is), failed, lost (its worker died).
    """

    key: str
    status: str
    seconds: float = 0.0
    message: str = ""
    log: str = ""
    damaged_key: str = ""


@dataclass(frozen=True)
class Context:
    """What a step function gets: its spec, its inputs, a folder to write into, and a way to tell how far it is."""

    spec: Mapping[str, Any]
    inputs: Mapping[str, Artefact]
    folder: Path
    runtime: Runtime = field(default_factory=Runtime)
    progress: Callable[[int, int, str], None] = lambda done, total, unit: None
    places: Mapping[str, str] = field(default_factory=dict)


def perform(
    order: Order, *, store: Store, runtime: Runtime, progress: Callable[[int, int, str], None] = lambda *_: None
) -> Outcome:
    """Build one step unless it is there already. Errors of the step function are returned, not raised."""
    started = time.monotonic()
    try:
        with store.claim(order.key) as mine:
            if not mine:
                return Outcome(order.key, "busy")
            if store.get(order.key) is not None:
                return Outcome(order.key, "cached")
            _build(order, store=store, runtime=runtime, progress=progress)
    except DamagedArtefactError as error:
        return Outcome(order.key, "damaged", message=str(error), damaged_key=error.key)
    except (Exception, SystemExit) as error:
        message = _explained(error, store)
        return Outcome(order.key, "failed", time.monotonic() - started, message, traceback.format_exc())
    return Outcome(order.key, "built", time.monotonic() - started)


def _build(order: Order, *, store: Store, runtime: Runtime, progress: Callable[[int, int, str], None]) -> None:
    inputs = {}
    for name, key in order.inputs.items():
        artefact = store.get(key)
        if artefact is None:
            raise DamagedArtefactError(key, "it is gone from the store")
        inputs[name] = artefact
    module_name, _, function_name = order.function.partition(":")
    function = getattr(importlib.import_module(module_name), function_name)
    with _scratch(store, order.key) as scratch:
        started, clock = time.time(), time.monotonic()
        outputs = function(Context(order.spec, inputs, scratch, runtime, progress, order.places)) or {}
        provenance = {"started": started, "seconds": time.monotonic() - clock, **_machine(runtime)}
        identity = {k: v for k, v in asdict(order).items() if k not in ("key", "title", "places")}
        record = {"key": order.key, "title": order.title, **identity, "outputs": outputs, "provenance": provenance}
        store.publish(scratch, record)


@contextmanager
def _scratch(store: Store, key: str) -> Iterator[Path]:
    """Give a scratch folder; what a failing step leaves in it must not fill the disk."""
    scratch = store.scratch(key)
    try:
        yield scratch
    except (Exception, SystemExit):
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _explained(error: BaseException, store: Store) -> str:
    """Return an error as one line; where the machine had no room, what was full and what to do."""
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return f"out of memory ({message}): run with fewer --jobs, or lower the batch or the rows of the study"
    # numpy and safetensors report a full disk in words of their own.
    if getattr(error, "errno", None) in NO_ROOM or NO_ROOM_TOLD.search(message):
        return (
            f"no room on the disk of {store.root} ({message}): make room (outgrow gc shows what can go) or choose "
            "another place with --store; what is finished is kept"
        )
    return message


def _machine(runtime: Runtime) -> dict[str, Any]:
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "host": socket.gethostname(),
        "platform": _platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 0,
        "device": runtime.device,
        "threads": runtime.threads,
        "peak_memory_mb": round(peak_kib / 1024, 1),
        "python": platform.python_version(),
        # What the process never imported cannot have changed its numbers.
        "packages": {name: _version(name) for name in RECORDED_PACKAGES if name == "outgrow" or name in sys.modules},
    }


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def _platform() -> str:
    return platform.platform()


@cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
