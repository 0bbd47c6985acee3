"""Step functions for the tests of the graph. Each call leaves a line in a file below `places["calls"]`."""

import os
import signal
import time
from pathlib import Path

from outgrow.dag.store import Store


def calls(folder, name=None):
    """Return the names of the steps that were called, one entry a call, or how often one was."""
    path = Path(folder) / "calls.txt"
    names = path.read_text(encoding="utf-8").split() if path.exists() else []
    return names if name is None else names.count(name)


def wait_for(path):
    """Return once the file exists; its absence after a minute is an error."""
    for _ in range(6_000):
        if Path(path).exists():
            return
        time.sleep(0.01)
    raise TimeoutError(f"{path} never came")


def _called(context):
    folder, name = Path(context.places["calls"]), context.spec["name"]
    with (folder / "calls.txt").open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    return calls(folder, name)


def number(context):
    """Give the spec's number, as an output and as a file."""
    _called(context)
    (context.folder / "value.txt").write_text(str(context.spec["value"]), encoding="utf-8")
    return {"value": context.spec["value"]}


def add(context):
    """Add the files of all inputs."""
    _called(context)
    return _sum(context)


def _sum(context):
    total = sum(int(each.path("value.txt").read_text(encoding="utf-8")) for each in context.inputs.values())
    (context.folder / "value.txt").write_text(str(total), encoding="utf-8")
    context.progress(1, 1, "sums")
    return {"value": total}


def needs_permission(context):
    """Fail until there is a file `permitted`."""
    _called(context)
    if not (Path(context.places["calls"]) / "permitted").exists():
        raise ValueError("not permitted yet")
    return _sum(context)


def dies(context):
    """Kill its own process with SIGKILL in its first calls, as many as the spec says."""
    if _called(context) <= context.spec["deaths"]:
        (context.folder / "half-written.txt").write_text("rubbish", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
    (context.folder / "value.txt").write_text("1", encoding="utf-8")
    return {"value": 1}


def kills_the_driver(context):
    """In its first call, kill the driver, then itself."""
    if _called(context) == 1:
        os.kill(os.getppid() if context.spec["from_a_worker"] else os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    (context.folder / "value.txt").write_text("1", encoding="utf-8")
    return {"value": 1}


def held_until_asked_for(context):
    """Go on only when another driver has found this step in our hands."""
    _called(context)
    wait_for(Path(context.places["calls"]) / "elsewhere")
    (context.folder / "value.txt").write_text("1", encoding="utf-8")
    return {"value": 1}


def process(context):
    """Tell which process did it."""
    _called(context)
    (context.folder / "value.txt").write_text("1", encoding="utf-8")
    return {"pid": os.getpid()}


def not_a_number(context):
    """Return what no record can hold."""
    _called(context)
    return {"value": float("nan")}


def hold(root, key, pipe):
    """Claim a key, leave rubbish in its scratch folder, tell so, and hold on until killed."""
    store = Store(root)
    with store.claim(key) as mine:
        (store.scratch(key) / "half.txt").write_text("rubbish", encoding="utf-8")
        pipe.send(mine)
        pipe.recv()
