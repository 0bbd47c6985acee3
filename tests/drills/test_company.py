"""Several drivers on one store at once, an interrupt, a clock that jumps."""

import os
import random
import signal

import pytest
from drill import DEADLINE, Drill, alive, wait_until

from outgrow.dag.journal import read_runs


@pytest.mark.parametrize("number", [2, 4])
def test_drivers_on_one_store_share_the_work(tmp_path, undisturbed, number):
    drill = Drill(tmp_path, "small" if number == 2 else "chains", jobs=2)
    drivers = [drill.start() for _ in range(number)]
    for driver in drivers:
        driver.communicate(timeout=DEADLINE)
    assert [driver.returncode for driver in drivers] == [0] * number, drill.told()
    expected = undisturbed(drill.graph)
    drill.check(expected)
    assert sorted(key for key, _, _ in drill.log("start")) == sorted(expected)  # each exactly once


@pytest.mark.parametrize("moment", range(4))
def test_an_interrupt_ends_all_processes_and_says_what_is_kept(tmp_path, undisturbed, moment):
    rng = random.Random(moment)
    drill = Drill(tmp_path, "chains", cli=True)
    driver = drill.start()
    wanted = rng.choice([0, 1, 5, 60])
    wait_until(lambda: list(tmp_path.glob("*.ready")), "the driver does not start")
    wait_until(lambda: len(drill.log("start")) >= wanted, "no step is begun")
    os.killpg(driver.pid, signal.SIGINT)
    driver.communicate(timeout=DEADLINE)
    assert driver.returncode == 130, drill.told()
    told = drill.told()
    assert "Traceback" not in told
    assert told.count("Interrupted.") == 1
    assert "kept" in told
    assert "the same command goes on" in told
    workers = {int(pid) for _, pid, _ in drill.log("start")}
    wait_until(lambda: not any(map(alive, workers)), "a worker outlives its driver")
    counts = drill.finish()
    assert counts["built"] + counts["cached"] == counts["total"]
    drill.check(undisturbed("chains"))


def test_nothing_depends_on_the_clock(tmp_path, undisturbed):
    drill = Drill(tmp_path, "small", environment={"JUMPING_CLOCK": "1"})
    (tmp_path / "published.worker").touch()
    drill.finish()
    assert drill.finish()["cached"] == len(undisturbed("small"))
    drill.check(undisturbed("small"))
    read_runs(drill.store)
