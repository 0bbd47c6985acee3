"""Steps that several processes do together, one a GPU, each with a part of the model. They start as the step does.

The worker that has the order starts torch's launcher, and this the processes. Each process does the whole step in a
folder of its own; the worker takes what the first one leaves, once all have succeeded. It alone publishes.

    worker (in_every_process) -> launcher (training.launcher) -> processes (one_of_them)

A parent that dies takes its children with it, so nothing outlives a run that was killed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from outgrow.dag.backends import SINGLE_THREADED, Progress, command, die_with, ended_by, seldom
from outgrow.dag.store import Artefact, DamagedArtefactError
from outgrow.dag.work import Context, Runtime
from outgrow.errors import StepError, UsageError
from outgrow.training.launcher import write_whole
from outgrow.training.sharded import here, start

WORK = "processes"
"""Where the processes work, in the step's own folder; it is gone before the step is published."""
PAUSE = 0.1
"""Seconds between two looks at the processes."""
PATIENCE = 10.0
"""Seconds that the launcher has to end its processes before it is killed."""
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
OWN = (StepError.__name__, UsageError.__name__)

Function = Callable[[Context], dict[str, Any]]


class _InAProcess(Exception):  # noqa: N818 (carries a traceback, as the cause of the error that is raised)
    """What a process said when it failed."""


def in_every_process(function: Function) -> Function:
    """Return the step function that runs in as many processes as its runtime has GPUs, and gives what the first gives.

    Every process is to do the same on its part of the model. The record says of how many processes a number is.
    """

    @wraps(function)
    def run(context: Context) -> dict[str, Any]:
        if context.runtime.gpus == 1 or here().world > 1:
            return function(context)
        return _launched(context, f"{function.__module__}:{function.__qualname__}")

    return run


def _launched(context: Context, function: str) -> dict[str, Any]:
    _check_gpus(context.runtime)
    work = context.folder / WORK
    for rank in range(context.runtime.gpus):
        (work / str(rank) / "files").mkdir(parents=True)
    write_whole(work / "order.json", _order(context, function))
    process = _started(work, context.runtime.gpus)
    try:
        _follow(process, work / "progress.json", context.progress)
    finally:
        _end(process)
    _raise_first_error(work, context.runtime.gpus)
    outputs: dict[str, Any] = json.loads((work / "0" / "outputs.json").read_text(encoding="utf-8"))
    for path in (work / "0" / "files").iterdir():
        path.rename(context.folder / path.name)
    shutil.rmtree(work)
    return outputs


def _check_gpus(runtime: Runtime) -> None:
    there = torch.cuda.device_count()
    if runtime.device != "cpu" and there < runtime.gpus:
        raise StepError(f"--gpus {runtime.gpus}: torch finds {there} here; outgrow doctor tells what it finds")


def _order(context: Context, function: str) -> dict[str, Any]:
    inputs = {
        name: {"key": each.key, "folder": str(each.folder), "record": each.record}
        for name, each in context.inputs.items()
    }
    runtime, places = asdict(context.runtime), dict(context.places)
    return {"function": function, "spec": context.spec, "inputs": inputs, "runtime": runtime, "places": places}


def _started(work: Path, count: int) -> subprocess.Popen[bytes]:
    """Start the launcher, in a session of its own: Ctrl-C is not sent to it."""
    worker = "outgrow.steps.launch:one_of_them"
    with (work / "log").open("wb") as log:
        return subprocess.Popen(
            command("outgrow.training.launcher:launch", call=worker, folder=str(work), parent=os.getpid(), count=count),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | SINGLE_THREADED | {"GLOO_SOCKET_IFNAME": LOOPBACK},
            start_new_session=True,
        )


def _follow(process: subprocess.Popen[bytes], told: Path, progress: Callable[[int, int, str], None]) -> None:
    """Wait for the launcher, and pass on how far the first process is."""
    last = None
    while True:
        try:
            process.wait(PAUSE)
        except subprocess.TimeoutExpired:
            ended = False
        else:
            ended = True
        now = json.loads(told.read_text(encoding="utf-8")) if told.exists() else None
        if now is not None and now != last:
            done, total, unit = now
            progress(done, total, unit)
            last = now
        if ended:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()  # it ends its processes first
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _raise_first_error(work: Path, count: int) -> None:
    """Raise what failed first in any process; the others only saw that it was gone."""
    ended = work / "ended.json"
    codes = {int(rank): code for rank, code in json.loads(ended.read_text()).items()} if ended.exists() else {}
    log = (work / "log").read_text(encoding="utf-8", errors="replace").strip()
    for rank, code in codes.items():
        if code < 0 and code != -signal.SIGTERM:  # with which the launcher ends the others
            raise StepError(f"process {rank + 1} of {count} was {ended_by(code)}") from _InAProcess(log)
    told = [json.loads(path.read_text(encoding="utf-8")) for path in work.glob("*/error.json")]
    if told:
        _raise(min(told, key=lambda each: float(each["time"])), count)
    if codes or not all((work / str(rank) / "outputs.json").exists() for rank in range(count)):
        last = log.splitlines()[-1] if log else "nothing was said"
        raise StepError(f"the {count} processes did not finish: {last}") from _InAProcess(log)


def _raise(told: dict[str, Any], count: int) -> None:
    cause = _InAProcess(f"in process {told['rank'] + 1} of {count}:\n{told['traceback']}")
    if told["damaged"]:
        key, what = told["damaged"]
        raise DamagedArtefactError(key, what) from cause
    if told["kind"] in OWN:
        raise StepError(told["message"]) from cause
    message = f"{told['kind']}: {told['message']} (in process {told['rank'] + 1} of {count})"
    if told["kind"] == torch.OutOfMemoryError.__name__:
        message += "; more --gpus, training.checkpointing or a smaller training.batch need less memory on each"
    raise StepError(message) from cause


def one_of_them(*, folder: str, parent: int) -> None:
    """Be one of the processes: do the order in this folder, and leave what it gives or why it failed."""
    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    work, rank = Path(folder), int(os.environ["RANK"])
    try:
        outputs = _done(work, rank)
        dist.barrier()
    except (Exception, SystemExit) as error:
        told = {"kind": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        damaged = [error.key, error.what] if isinstance(error, DamagedArtefactError) else []
        write_whole(work / str(rank) / "error.json", told | {"damaged": damaged, "rank": rank, "time": time.time()})
        os._exit(1)  # without waiting for processes that wait for this one
    write_whole(work / str(rank) / "outputs.json", outputs)
    os._exit(0)  # torch's threads, taken down in the order of a usual exit, now and then abort the process


def _done(work: Path, rank: int) -> dict[str, Any]:
    order = json.loads((work / "order.json").read_text(encoding="utf-8"))
    runtime = Runtime(**order["runtime"])
    start(runtime.device)
    context = Context(
        order["spec"],
        {name: Artefact(each["key"], Path(each["folder"]), each["record"]) for name, each in order["inputs"].items()},
        work / str(rank) / "files",
        runtime,
        places=order["places"],
    )
    if rank == 0:
        context = replace(context, progress=seldom("", lambda report: _tell(work / "progress.json", report)))
    module_name, _, name = order["function"].partition(":")
    function: Function = getattr(import_module(module_name), name)
    return function(context) or {}


def _tell(path: Path, report: Progress) -> None:
    write_whole(path, report[1:])
