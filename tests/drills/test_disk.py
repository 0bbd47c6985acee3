"""No room, no permission: one message that names the place, nothing finished is lost, and a later run goes on."""

import os
import resource
import subprocess
from contextlib import suppress

import pytest
from drill import Drill


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of one megabyte; return its folder."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True)
    if made.returncode:
        if os.environ.get("CI") == "true" and "permi" not in made.stderr and "superuser" not in made.stderr:
            pytest.fail(f"no file system can be mounted: {made.stderr}")
        pytest.skip(f"no file system can be mounted: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.mount
def test_a_full_disk_fails_the_step_names_the_disk_and_keeps_the_rest(tmp_path, small_disk, undisturbed):
    drill = Drill(tmp_path, "with_a_large_one", root=small_disk / "store", cli=True)
    counts = drill.finish(code=1)
    assert (counts["failed"], counts["skipped"]) == (1, 1)
    assert counts["built"] == counts["total"] - 2
    assert f"no room on the disk of {drill.store.root}" in drill.told()
    assert "make room" in drill.told()
    assert list((drill.store.root / "scratch").iterdir()) == []  # the half written file makes room again
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    again = drill.finish()
    assert (again["built"], again["cached"]) == (2, counts["built"])
    drill.check(undisturbed("with_a_large_one"))


def test_a_file_that_may_not_grow_fails_the_step_and_keeps_the_rest(tmp_path, undisturbed):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    drill = Drill(tmp_path, "with_a_large_one", limits=limited, cli=True)
    counts = drill.finish(code=1)
    assert (counts["failed"], counts["skipped"]) == (1, 1)
    assert f"no room on the disk of {drill.store.root}" in drill.told()
    roomier = Drill(tmp_path, "with_a_large_one")
    assert roomier.finish()["built"] == 2
    roomier.check(undisturbed("with_a_large_one"))


def fill(path):
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.mount
def test_a_disk_that_is_full_before_the_start_is_one_message(tmp_path, small_disk):
    fill(small_disk / "rubbish")
    drill = Drill(tmp_path, "small", root=small_disk / "store", cli=True)
    drill.finish(code=1)
    assert "the store cannot be written (No space left on device): make room there" in drill.told()
    assert drill.told().count("error:") == 1
    assert "Traceback" not in drill.told()


@pytest.mark.mount
def test_a_read_only_store_can_be_read_and_says_that_it_cannot_be_written(tmp_path, small_disk):
    drill = Drill(tmp_path, "small", root=small_disk / "store", cli=True)
    drill.finish()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    counts = drill.finish()
    assert counts["cached"] == counts["total"]
    other = Drill(tmp_path, "chains", root=small_disk / "store", cli=True)
    other.finish(code=1)
    assert "the store cannot be written (Read-only file system)" in other.told()
    assert "--store" in other.told()
    assert "Traceback" not in other.told()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_store_without_permission_says_that_it_cannot_be_written(tmp_path):
    (tmp_path / "store").mkdir(mode=0o555)
    drill = Drill(tmp_path, "small", cli=True)
    drill.finish(code=1)
    assert "the store cannot be written (Permission denied): make it writable" in drill.told()
    assert "Traceback" not in drill.told()
