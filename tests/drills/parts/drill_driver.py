"""A driver in a process of its own: python drill_driver.py STORE FOLDER GRAPH JOBS.

It builds the graph as `outgrow run` does, faults armed in FOLDER, and exits with the same codes.
"""

import json
import os
import sys
from pathlib import Path

from drill_graphs import GRAPHS


def main():
    root, folder, graph, jobs = sys.argv[1:5]
    os.environ["DRILL"] = folder
    if "JUMPING_CLOCK" in os.environ:
        import time

        from drill_steps import jumping_clock

        time.time = jumping_clock()

    import typer

    from outgrow.cli import complain
    from outgrow.cli.running import build, tell_failures
    from outgrow.dag.store import Store

    (Path(folder) / f"{os.getpid()}.ready").touch()
    try:
        built = build("drill", GRAPHS[graph](folder), store=Store(root), jobs=int(jobs), plain=True)
    except typer.Exit as end:
        return end.exit_code
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return 1
    print(json.dumps(built.counts))
    if not built.summary.ok:
        tell_failures(built, debug=False)
    return 0 if built.summary.ok else 1


if __name__ == "__main__":
    sys.exit(main())
