"""Drivers and workers killed with SIGKILL, at random moments and at the points where it would hurt most."""

import os
import random
import signal
import subprocess
from contextlib import suppress

import pytest
from drill import Drill

KILLS = int(os.environ.get("DRILL_KILLS", "100"))


def test_100_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path, undisturbed):
    rng, expected, kills, rounds = random.Random(20261122), undisturbed("chains"), 0, 0
    while kills < KILLS:
        folder = tmp_path / f"round{rounds}"
        folder.mkdir()
        drill = Drill(folder, "chains")
        kills += disturb(drill, rng, KILLS - kills)
        drill.finish()
        drill.check(expected)
        rounds += 1


def disturb(drill, rng, most):
    """Kill the driver and a worker in turn until the graph is built; return the number of kills."""
    kills, driver = 0, drill.start()
    while kills < most:
        try:
            code = driver.wait(rng.uniform(0.02, 0.8))
        except subprocess.TimeoutExpired:
            pass
        else:
            # A step whose workers were killed three times has failed, which is right: another run tries it again.
            assert code == 0 or "SIGKILL" in drill.told(), drill.told()
            if code == 0:
                break
            driver = drill.start()
            continue
        if kills % 2 == 0:
            driver.kill()
            driver.communicate()
            driver = drill.start()
            kills += 1
        elif (worker := drill.worker_of(driver)) is not None:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            kills += 1
    driver.kill()
    driver.communicate()
    return kills


POINTS = ("claimed", "half written", "files written", "record written", "published")


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_at_this_point_costs_nothing_but_its_step(tmp_path, undisturbed, point):
    drill = Drill(tmp_path, "small")
    (tmp_path / f"{point}.worker").touch()
    counts = drill.finish()
    assert drill.log("died") == [[*point.split(), "worker"]]
    assert counts["failed"] == 0
    assert "lost " in drill.told()
    assert "SIGKILL (out of memory, or killed by hand)" in drill.told()
    drill.check(undisturbed("small"))


@pytest.mark.parametrize("point", POINTS)
def test_a_driver_that_dies_at_this_point_is_followed_by_one_that_goes_on(tmp_path, undisturbed, point):
    drill = Drill(tmp_path, "small")
    (tmp_path / f"{point}.driver").touch()
    drill.finish(code=-signal.SIGKILL)
    assert drill.log("died") == [[*point.split(), "driver"]]
    counts = drill.finish()
    assert counts["failed"] == counts["skipped"] == 0
    drill.check(undisturbed("small"))
