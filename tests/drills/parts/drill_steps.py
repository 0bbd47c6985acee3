"""Steps of the drills: small, of numpy, with a line in a log for every start, and deaths at named points.

A step logs "start KEY PID PARENT", and "repeated KEY" if it is done although the store has it. Where the environment
names a folder as DRILL, a file POINT.worker or POINT.driver in it makes that process die at that point, once.
"""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from outgrow.dag import store as store_module

WORK = 0.01
"""Seconds that a step takes beside what it computes, so that a kill finds it at work."""


def log(folder, *words):
    with (Path(folder) / "log.txt").open("a", encoding="utf-8") as file:
        file.write(" ".join(map(str, words)) + "\n")


def die_if_told(point):
    folder = Path(os.environ["DRILL"])
    for who, pid in (("worker", os.getpid()), ("driver", os.getppid())):
        try:
            (folder / f"{point}.{who}").unlink()
        except FileNotFoundError:
            continue
        log(folder, "died", point, who)
        os.kill(pid, signal.SIGKILL)


def jumping_clock():
    """Return one point of time after another that have nothing to do with each other."""
    numbers = np.random.default_rng(os.getpid())
    return lambda: float(numbers.uniform(0, 4e9))


if "DRILL" in os.environ:
    store_module.reached = die_if_told
if "JUMPING_CLOCK" in os.environ:
    time.time = jumping_clock()


def _begin(context):
    key, root = context.folder.name, context.folder.parents[1]
    folder = context.places["drill"]
    log(folder, "start", key, os.getpid(), os.getppid())
    if store_module.Store(root).folder(key).exists():
        log(folder, "repeated", key)
    time.sleep(WORK)


def rows(context):
    """Random rows, as .npy and .safetensors."""
    _begin(context)
    values_NK = np.random.default_rng(context.spec["seed"]).normal(size=(100, 16))
    np.save(context.folder / "rows.npy", values_NK)
    if "DRILL" in os.environ:
        die_if_told("half written")
    save_file({"state": np.eye(16)}, context.folder / "state.safetensors")
    return {"mean": float(values_NK.mean())}


def chunk(context):
    """One chunk of a chain: the state of the chunk before, moved on over the rows."""
    _begin(context)
    rows_NK = np.load(context.inputs["rows"].path("rows.npy"))
    state_KK = load_file(context.inputs["previous"].path("state.safetensors"))["state"]
    state_KK = np.tanh(state_KK + 0.01 * rows_NK.T @ rows_NK @ state_KK)
    save_file({"state": state_KK}, context.folder / "state.safetensors")
    return {"norm": float(np.abs(state_KK).sum()), "number": context.spec["number"]}


def gathered(context):
    """The sum of all chains, and which of them came from where."""
    _begin(context)
    states = {name: load_file(each.path("state.safetensors"))["state"] for name, each in context.inputs.items()}
    save_file(
        {"state": np.sum([states[name] for name in sorted(states)], axis=0)}, context.folder / "state.safetensors"
    )
    sums = {name: float(states[name].sum()) for name in sorted(states)}
    (context.folder / "sums.json").write_text(json.dumps(sums), encoding="utf-8")
    return {"sums": sums}


def table(context):
    """The sum as a Parquet table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _begin(context)
    state_KK = load_file(context.inputs["gathered"].path("state.safetensors"))["state"]
    pq.write_table(pa.table({"diagonal": np.diag(state_KK)}), context.folder / "table.parquet")
    return {"trace": float(np.trace(state_KK))}


def read_table(context):
    """The largest number of the table."""
    import pyarrow.parquet as pq

    _begin(context)
    found = pq.read_table(context.inputs["table"].path("table.parquet"))
    return {"largest": max(found["diagonal"].to_pylist())}


def large(context):
    """A file of as many bytes as the spec says."""
    _begin(context)
    np.save(context.folder / "large.npy", np.zeros(context.spec["bytes"], np.uint8))
    return {"bytes": context.spec["bytes"]}


def reads_all(context):
    """Read every file of every input."""
    _begin(context)
    return {name: sorted(map(str, each.record["files"])) for name, each in context.inputs.items() if _read(each)}


def _read(artefact):
    return [artefact.path(name).read_bytes() for name in artefact.record["files"]]
