"""The long drill: `outgrow run` of a real study, killed 20 times, then compared with an undisturbed run.

    python benchmarks/fault_drill.py [--study chess-quick] [--kills 20] [--jobs 2] [--folder DIR]

Driver and worker are killed in turn (SIGKILL) at seeded random moments. Figures of the last run stand in docs/log.md.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.dag.housekeeping import verify
from outgrow.dag.store import RECORD_NAME, Store

PROGRAM = "from outgrow.cli import main; main()"
SHORTEST = 2.0
"""Seconds from one kill to the next, at least."""


@dataclass(frozen=True)
class Kill:
    who: str
    after: float
    finished: int
    again: int


class Drill:
    """A store and the drivers on it."""

    def __init__(self, study: str, folder: Path, *, jobs: int) -> None:
        self.store = Store(folder / "store")
        self._errors = folder / "stderr.txt"
        self._command = [sys.executable, "-c", PROGRAM, "run", study, "--json", "--plain", "--jobs", str(jobs)]
        self._command += ["--store", str(self.store.root)]

    def start(self) -> subprocess.Popen[str]:
        with self._errors.open("a") as errors:
            return subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=errors, text=True)

    def finish(self, driver: subprocess.Popen[str]) -> dict[str, Any]:
        out, _ = driver.communicate()
        if driver.returncode:
            sys.exit(f"the run failed:\n{self.told()}")
        result: dict[str, Any] = json.loads(out)
        return result

    def told(self) -> str:
        return self._errors.read_text()

    def finished(self) -> dict[str, int]:
        """Return the finished steps and when each was written, which tells whether one was done again."""
        return {key: (self.store.folder(key) / RECORD_NAME).stat().st_mtime_ns for key in self.store.finished_keys()}


def workers_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid and b"outgrow.dag.backends" in (path.parent / "cmdline").read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def disturb(drill: Drill, kills: int, rng: random.Random, longest: float) -> tuple[list[Kill], subprocess.Popen[str]]:
    """Kill a driver and a worker in turn; return what was done and the last driver."""
    done: list[Kill] = []
    before: dict[str, int] = {}
    driver, started = drill.start(), time.monotonic()
    while len(done) < kills:
        try:
            driver.wait(rng.uniform(SHORTEST, longest))
        except subprocess.TimeoutExpired:
            pass
        else:
            break  # finished before it could be killed so often
        who = ("driver", "worker")[len(done) % 2]
        if who == "driver":
            driver.kill()
            driver.communicate()
        else:
            workers = workers_of(driver.pid)
            if not workers:
                continue
            os.kill(rng.choice(workers), signal.SIGKILL)
        now = drill.finished()
        again = sum(now.get(key) != written for key, written in before.items())
        done.append(Kill(who, time.monotonic() - started, len(now), again))
        print(f"{len(done):>5}  {who:<7}{done[-1].after:8.0f} s{done[-1].finished:10}{done[-1].again:12}", flush=True)
        before = now
        if who == "driver":
            driver = drill.start()
    return done, driver


def table(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in result["comparisons"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="chess-quick")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=30.0, help="seconds from one kill to the next, at most")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        seconds, drills = [], []
        for name in ("quiet", "disturbed"):
            (Path(folder) / name).mkdir()
            drills.append(Drill(arguments.study, Path(folder) / name, jobs=arguments.jobs))
        quiet, disturbed = drills
        started = time.monotonic()
        expected = quiet.finish(quiet.start())
        seconds.append(time.monotonic() - started)
        print(f"{arguments.study}, {arguments.jobs} workers, undisturbed: {seconds[0]:.0f} s\n")
        print(" kill  who       after  finished  done again")
        started = time.monotonic()
        kills, driver = disturb(disturbed, arguments.kills, random.Random(arguments.seed), arguments.longest)
        before = disturbed.finished()
        result = disturbed.finish(driver)
        seconds.append(time.monotonic() - started)
        after = disturbed.finished()
        again = sum(kill.again for kill in kills) + sum(after.get(key) != at for key, at in before.items())
        wrong = [what for _, what in verify(disturbed.store) if what]
        print(f"\nkills                                   {len(kills)}")
        print(f"finished steps done again               {again}")
        print(f"steps, undisturbed and disturbed        {len(quiet.finished())} and {len(after)}")
        print(f"the same table                          {'yes' if table(result) == table(expected) else 'NO'}")
        print(f"damaged files                           {len(wrong)}")
        print(f"tracebacks                              {disturbed.told().count('Traceback')}")
        print(f"seconds, undisturbed and disturbed      {seconds[0]:.0f} and {seconds[1]:.0f}")


if __name__ == "__main__":
    main()
