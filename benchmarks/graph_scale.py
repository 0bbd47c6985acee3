"""How the graph scales: planning, overhead of a step, reading a store's state. Steps do nothing; no torch.

    python benchmarks/graph_scale.py [--steps 10000] [--jobs 2] [--folder DIR]

Figures of the last run stand in docs/log.md, with the file system named.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from outgrow.dag.scheduler import run_graph, survey
from outgrow.dag.step import Step, closure
from outgrow.dag.store import Store
from outgrow.dag.work import Context, Runtime

T = TypeVar("T")


def nothing(context: Context) -> dict[str, int]:
    """Leave a number behind."""
    return {"number": context.spec["number"]}


def graph(count: int) -> list[Step]:
    """Return `count` steps in chains of ten that all read one first step."""
    function = f"{Path(__file__).stem}:nothing"
    first = Step(function, 1, {"number": -1}, title="first")
    last: list[Step] = []
    for chain in range(count // 10):
        step = first
        for place in range(10):
            step = Step(function, 1, {"number": 10 * chain + place}, {"previous": step}, title=f"{chain}.{place}")
        last.append(step)
    return last


def timed(what: str, action: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = action()
    print(f"{what:<46}{time.perf_counter() - started:8.2f} s")
    return result


def file_system(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((m for m in mounts if str(folder).startswith(m[0])), key=lambda m: len(m[0]))[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        store, runtime = Store(folder), Runtime(jobs=arguments.jobs)
        print(f"{arguments.steps} steps, {arguments.jobs} jobs, {file_system(Path(folder).resolve())}")
        targets = timed("make the graph and its keys", lambda: graph(arguments.steps))
        timed("order it", lambda: closure(targets))
        timed("look up what an empty store has", lambda: survey(targets, store=store))
        timed("build every step", lambda: run_graph(targets, store=store, runtime=runtime))
        timed("look up what the full store has", lambda: survey(targets, store=store))
        timed("run again, all cached", lambda: run_graph(targets, store=store, runtime=runtime))


if __name__ == "__main__":
    main()
