"""A driver in a process of its own: python drill_driver.py STORE FOLDER GRAPH JOBS cli|plain.

It builds the graph, faults armed in FOLDER, and prints how many steps ended how; `cli`: by way of what `outgrow run`
does, with its messages and exit codes.
"""

import json
import os
import sys
from pathlib import Path

from drill_graphs import GRAPHS

from outgrow.dag.journal import run_logged
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime


def main():
    root, folder, graph, jobs, mode = sys.argv[1:]
    os.environ["DRILL"] = folder
    if "JUMPING_CLOCK" in os.environ:
        import drill_steps

        assert drill_steps.time.time() != drill_steps.time.time()
    store, targets = Store(root), GRAPHS[graph](folder)
    return (as_outgrow_run if mode == "cli" else plainly)(targets, store, int(jobs), Path(folder))


def plainly(targets, store, jobs, folder):
    def tell(event):
        if event.message:
            print(event.kind, event.step.title, event.message, file=sys.stderr)

    summary = run_logged(targets, name="drill", store=store, runtime=Runtime(jobs=jobs), on_event=tell)
    counts = {name: summary.count(name) for name in ("built", "failed", "skipped")}
    print(json.dumps({**counts, "total": len(summary.steps), "cached": len(summary.steps) - sum(counts.values())}))
    return 0 if summary.ok else 1


def as_outgrow_run(targets, store, jobs, folder):
    """Carry out a command `drill` of the real command line."""
    import typer

    from outgrow.cli import DONE, FAILED, call
    from outgrow.cli.app import app
    from outgrow.cli.running import build, tell_failures

    @app.command()
    def drill():
        (folder / f"{os.getpid()}.ready").touch()
        built = build("drill", targets, store=store, runtime=Runtime(jobs=jobs), plain=True)
        print(json.dumps(built.counts))
        if not built.summary.ok:
            tell_failures(built, debug=False)
        raise typer.Exit(DONE if built.summary.ok else FAILED)

    return call(["drill"])


if __name__ == "__main__":
    sys.exit(main())
