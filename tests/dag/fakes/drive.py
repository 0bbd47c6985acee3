"""A driver in a process of its own: python drive.py STORE CALLS GRAPH JOBS. Prints the summary as JSON."""

import json
import sys
from pathlib import Path

import fake_steps
import graphs

from outgrow.dag.scheduler import run_graph
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime


def main():
    store, calls, graph, jobs = sys.argv[1:5]

    def on_event(event):
        if event.kind == "elsewhere":
            (Path(calls) / "elsewhere").touch()

    if len(sys.argv) > 5:  # start together with another driver
        mine, other = sys.argv[5:]
        (Path(calls) / mine).touch()
        fake_steps.wait_for(Path(calls) / other)
    targets = getattr(graphs, graph)(calls)
    summary = run_graph(targets, store=Store(store), runtime=Runtime(jobs=int(jobs)), on_event=on_event)
    print(json.dumps({each.spec["name"]: summary.status[key] for key, each in summary.steps.items()}))


if __name__ == "__main__":
    main()
