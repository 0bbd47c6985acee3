"""What `outgrow status` tells of the runs on a store: how far each is that goes on, and how the last one ended."""

from typing import Any

from outgrow.cli.output import console
from outgrow.dag.journal import RunState, current_runs
from outgrow.dag.store import Store
from outgrow.numerals import duration, plural


def worth_telling(store: Store) -> list[RunState]:
    """Return the runs that go on, or else the last one if it did not end well."""
    return [each for each in current_runs(store) if each.state != "done"]


def show_runs(store: Store) -> None:
    """Print these runs."""
    out = console()
    for run in worth_telling(store):
        for line in told(run):
            out.print(line, soft_wrap=True)
        out.print()


def told(run: RunState) -> list[str]:
    """Return a run as lines."""
    counts = run.count()
    done = counts["built"] + counts["cached"]
    parts = [f"{done} of {plural(run.total, 'step')} done"]
    parts += [f"{counts[name]} {name}" for name in ("running", "waiting", "failed", "skipped") if counts[name]]
    if not run.alive:
        return [f"The last run, {run.name}, {ENDS[run.state]}: {', '.join(parts)}.", *_failures(run)]
    if run.rate():
        parts.append(f"{60 * run.rate():.3g} steps a minute")
    left = run.seconds_left()
    if left is not None:
        parts.append(f"about {duration(left)} left")
    now = [f"  {title}" for title, _ in run.running.values()]
    return [f"{run.name} is running: {', '.join(parts)}.", *now, *_failures(run)]


ENDS = {"failed": "failed", "interrupted": "was interrupted", "killed": "was killed", "done": "is done"}


def _failures(run: RunState) -> list[str]:
    return [f"  failed: {title}: {message}" for title, message in run.failures.items()]


def plain(store: Store) -> list[dict[str, Any]]:
    """Return the same as plain data."""
    return [
        {
            "study": run.name,
            "state": run.state,
            "steps": run.total,
            **run.count(),
            "steps_per_second": run.rate(),
            "seconds_left": run.seconds_left() if run.alive else None,
            "running_steps": [title for title, _ in run.running.values()] if run.alive else [],
            "failures": run.failures,
        }
        for run in worth_telling(store)
    ]
