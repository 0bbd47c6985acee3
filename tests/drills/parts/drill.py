"""What the drills do alike: start drivers, kill them, and compare what they leave with an undisturbed run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from drill_graphs import GRAPHS

from outgrow.dag.step import closure
from outgrow.dag.store import Store

DRIVER = Path(__file__).parent / "drill_driver.py"
DEADLINE = 120


def wait_until(condition, what):
    """Return once the condition holds; an error after two minutes."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def what_counts(record):
    """Return a record without what may differ between two runs."""
    return {name: value for name, value in record.items() if name not in ("provenance", "checksum")}


def left_behind(store, targets):
    """Return what counts of every step the targets need, after all its files were compared with their checksums."""
    found = {}
    for key in closure(targets):
        artefact = store.get(key)
        assert artefact is not None, f"step {key[:12]} is missing"
        artefact.verify_all()
        found[key] = what_counts(artefact.record)
    return found


def alive(pid):
    """Return whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Drill:
    """One store, the drivers on it, and the log of what their workers did."""

    def __init__(self, folder, graph, *, jobs=2, root=None, environment=None, limits=None, cli=False):
        self.folder, self.graph, self.jobs = folder, graph, jobs
        self.store = Store(root or folder / "store")
        self.targets = GRAPHS[graph](folder)
        self._environment, self._limits = environment or {}, limits
        self._mode = "cli" if cli else "plain"
        self.errors = []

    def start(self):
        """Start a driver."""
        path = self.folder / f"stderr{len(self.errors)}.txt"
        self.errors.append(path)
        arguments = [str(self.store.root), str(self.folder), self.graph, str(self.jobs), self._mode]
        with path.open("w") as errors:
            return subprocess.Popen(
                [sys.executable, str(DRIVER), *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | self._environment,
                start_new_session=True,
                preexec_fn=self._limits,
            )

    def finish(self, *, code=0):
        """Run a driver to its end; return how many steps ended how."""
        driver = self.start()
        out, _ = driver.communicate(timeout=DEADLINE)
        assert driver.returncode == code, self.told()
        return json.loads(out) if out else {}

    def told(self):
        """Return what all drivers and workers wrote on stderr."""
        return "\n".join(path.read_text() for path in self.errors)

    def log(self, word):
        """Return what follows this word in every line of the log that begins with it."""
        path = self.folder / "log.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split()[1:] for line in lines if line.startswith(f"{word} ")]

    def worker_of(self, driver):
        """Return the worker of this driver that began a step last, None if none has."""
        found = [int(pid) for _, pid, parent in self.log("start") if int(parent) == driver.pid]
        return next((pid for pid in reversed(found) if alive(pid)), None)

    def check(self, expected):
        """Fail unless the store has what an undisturbed run leaves, nothing was done twice and nothing is left over."""
        assert left_behind(self.store, self.targets) == expected
        assert self.log("repeated") == []
        assert "Traceback" not in self.told(), self.told()
        workers = {int(pid) for _, pid, _ in self.log("start")}
        wait_until(lambda: not any(map(alive, workers)), "a worker outlives its driver")
        assert list((self.store.root / "scratch").iterdir()) == []
        assert not (self.store.root / "damaged").exists()
