"""The same on a real study: `outgrow run chess-tiny`, killed, interrupted and run to its end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outgrow.dag.store import Store
from outgrow.models.catalog import ladder
from outgrow.tasks import ASSETS, TASKS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ladder("chess")
        or not all((ASSETS / TASKS[name].asset).is_file() for name in ("chess-puzzle", "chess-blunder")),
        reason="the package comes without its ladder",
    ),
]
COMMAND = [sys.executable, "-c", "from outgrow.cli import main; main()", "run", "chess-tiny", "--json", "--jobs", "2"]
DEADLINE = 600


def start(folder):
    errors = (folder / f"stderr{len(list(folder.glob('stderr*')))}.txt").open("w")
    command = [*COMMAND, "--store", str(folder / "store")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)


def finish(folder):
    driver = start(folder)
    out, _ = driver.communicate(timeout=DEADLINE)
    assert driver.returncode == 0, told(folder)
    return json.loads(out)


def told(folder):
    return "\n".join(path.read_text() for path in sorted(folder.glob("stderr*")))


def finished(folder):
    return set(Store(folder / "store").finished_keys())


def wait_for_steps(folder, driver, number):
    """Return when the store has so many finished steps."""
    end = time.monotonic() + DEADLINE
    while len(finished(folder)) < number:
        assert driver.poll() is None, told(folder)
        assert time.monotonic() < end
        time.sleep(0.02)


def published(folder):
    """Return what tells whether a finished step was done again: when its record was written."""
    store = Store(folder / "store")
    return {key: (store.folder(key) / "record.json").stat().st_mtime_ns for key in finished(folder)}


def comparable(result):
    """Return the table without what is measured in seconds."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in result["comparisons"]]


def test_three_kills_and_an_interrupt_change_no_number_of_a_study(tmp_path):
    rng = random.Random(20261122)
    disturbed, quiet = tmp_path / "disturbed", tmp_path / "quiet"
    for folder in (disturbed, quiet):
        folder.mkdir()
    before = {}
    for kind in ("driver", "worker", "driver", "interrupt"):
        driver = start(disturbed)
        wait_for_steps(disturbed, driver, len(before) + rng.randint(1, 4))
        if kind == "interrupt":
            os.killpg(driver.pid, signal.SIGINT)
            driver.communicate(timeout=DEADLINE)
            assert driver.returncode == 130
        elif kind == "worker":
            workers = children(driver.pid)
            os.kill(rng.choice(workers), signal.SIGKILL)
            wait_for_steps(disturbed, driver, len(finished(disturbed)) + 1)  # the run goes on
            driver.kill()
            driver.communicate()
        else:
            driver.kill()
            driver.communicate()
        now = published(disturbed)
        assert before.items() <= now.items(), "a finished step was done again"
        before = now
    result = finish(disturbed)
    assert before.items() <= published(disturbed).items()
    assert result["steps"]["cached"] >= len(before)
    assert comparable(result) == comparable(finish(quiet))
    assert finished(disturbed) == finished(quiet)
    assert "Traceback" not in told(disturbed)
    assert "nterrupted." in told(disturbed)


def children(pid):
    """Return the workers of a driver."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid and b"outgrow.dag.backends" in (path.parent / "cmdline").read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found
