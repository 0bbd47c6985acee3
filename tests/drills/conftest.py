import signal
import sys
from functools import cache
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so under a shell's `&`: the drivers would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

PARTS = Path(__file__).parent / "parts"
sys.path.append(str(PARTS))  # workers get this process's path, so a step has the same dotted name everywhere


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Return a function that gives what a graph leaves behind when nothing happens to it."""
    from drill import Drill, left_behind

    @cache
    def run(graph):
        drill = Drill(tmp_path_factory.mktemp("undisturbed"), graph)
        drill.finish()
        return left_behind(drill.store, drill.targets)

    return run
