"""`outgrow run`: build what is missing, then show the table, the findings, and where everything lies."""

import os
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from outgrow.cli import DONE, FAILED, INTERRUPTED, complain
from outgrow.cli.output import bullet, console, note, print_json, shown
from outgrow.cli.report import say_where, write_page
from outgrow.dag.journal import run_logged
from outgrow.dag.scheduler import Summary, survey
from outgrow.dag.step import Step
from outgrow.dag.store import Store
from outgrow.dag.work import Outcome, Runtime
from outgrow.numerals import duration, plural
from outgrow.plan import Plan, plan_of
from outgrow.results import Results

OWN_ERRORS = ("StepError: ", "UsageError: ")
"""What needs no class name before its message: it was written for a person."""


@dataclass(frozen=True)
class Build:
    """How a graph was built: how each step ended, what the store had before, and the time it took."""

    summary: Summary
    cached: int
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """Return how many steps ended how; a step not needed because its reader is finished counts as cached."""
        ended = {name: self.summary.count(name) for name in ("built", "failed", "skipped")}
        total = len(self.summary.steps)
        return {"total": total, "cached": total - sum(ended.values()), **ended}


def usable_cores() -> int:
    """Return on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build(title: str, targets: Iterable[Step], *, store: Store, runtime: Runtime, plain: bool) -> Build:
    """Build what the store has not, with progress on stderr; Ctrl-C says what is kept and exits with 130."""
    targets = list(targets)
    try:
        return _built(title, targets, store=store, runtime=runtime, plain=plain)
    except KeyboardInterrupt:
        _say_what_is_kept(targets, store)
        raise typer.Exit(INTERRUPTED) from None


def _default_jobs(device: str, gpus: int) -> int:
    """Return a worker for each core, and a single one for GPUs, which two would only take turns on."""
    return usable_cores() if device == "cpu" and gpus == 1 else 1


def _built(title: str, targets: list[Step], *, store: Store, runtime: Runtime, plain: bool) -> Build:
    started = time.monotonic()
    before = survey(targets, store=store)
    waiting = before.count("waiting")
    cached = len(before.steps) - waiting
    jobs = max(1, min(runtime.jobs, waiting))
    runtime = replace(runtime, jobs=jobs)
    if not waiting:
        return Build(run_logged(targets, name=title, store=store, runtime=runtime, before=before), cached, 0.0)
    from outgrow.cli.progress import display

    note(f"{title}: {plural(len(before.steps), 'step')}, {cached} cached, {waiting} to do, {plural(jobs, 'worker')}")
    with display(title, before, jobs=jobs, plain=plain) as progress:
        summary = run_logged(targets, name=title, store=store, runtime=runtime, before=before, on_event=progress.show)
    return Build(summary, cached, time.monotonic() - started)


def _say_what_is_kept(targets: list[Step], store: Store) -> None:
    now = survey(targets, store=store)
    kept = len(now.steps) - now.count("waiting")
    note(
        f"Interrupted. {kept} of {plural(len(now.steps), 'step')} are finished and kept in {shown(store.root)}; "
        "the same command goes on from there."
    )


def run_study(
    source: str,
    overrides: Sequence[str],
    *,
    jobs: int | None,
    device: str,
    gpus: int,
    store: Path,
    as_json: bool,
    plain: bool,
    debug: bool,
) -> int:
    """Run a study and show its results; return the exit code."""
    plan = plan_of(source, overrides)
    kept = Store(store)
    runtime = Runtime(jobs=jobs or _default_jobs(device, gpus), device=device, gpus=gpus)
    built = build(plan.study.name, plan.targets, store=kept, runtime=runtime, plain=plain)
    results = Results(plan, kept)
    if as_json:
        report = write_page(results) if results.comparisons else None
        print_json(machine_readable(results, built) | {"report": None if report is None else str(report)})
    else:
        again = ["outgrow", "run", source, *(part for each in overrides for part in ("--set", each))]
        if built.seconds:
            note("")
        show_tables(results)
        _show_findings(results)
        _show_build(built, plan, store=kept, again=shlex.join([*again, "--store", str(store)]))
        if results.comparisons:
            say_where(write_page(results))
    if built.summary.ok:
        return DONE
    tell_failures(built, debug=debug)
    return FAILED


def machine_readable(results: Results, built: Build) -> dict[str, Any]:
    """Return everything `run` shows as plain data."""
    from outgrow.words import findings

    return {
        "study": results.plan.study.name,
        "store": str(results.store.root),
        "steps": built.counts,
        "seconds": round(built.seconds, 3),
        "comparisons": results.table(),
        "aggregates": results.aggregates() if results.comparisons else None,
        "findings": findings(results),
        "notes": list(results.plan.notes),
        "failures": [_failure(built.summary.steps[key], each) for key, each in built.summary.failures.items()],
    }


def show_tables(results: Results) -> None:
    """Print the tables of what is finished."""
    from outgrow.cli.tables import comparison_tables

    out = console()
    for part in comparison_tables(results):
        out.print(part)


def _show_findings(results: Results) -> None:
    """Print in words what the tables show."""
    from outgrow.words import findings

    out = console()
    out.print("\nWhat it shows", style="bold")
    first, *others = findings(results)
    out.print(bullet(first, width=out.width, mark=""))
    for each in others:
        out.print(bullet(each, width=out.width))


def _show_build(built: Build, plan: Plan, *, store: Store, again: str) -> None:
    out = console()
    if plan.notes:
        out.print("\nLeft out", style="bold")
    for each in plan.notes:
        out.print(bullet(each, width=out.width))
    counts = built.counts
    if counts["cached"] == counts["total"]:
        done = f"Nothing had to be done: all {counts['total']} steps were cached."
    else:
        done = f"{counts['built']} steps built in {duration(built.seconds)}, {counts['cached']} cached."
    out.print(f"\n{done}")
    # Paths and commands are left whole, however long, so that they can be copied.
    out.print(f"Results: {shown(store.root)}", soft_wrap=True)
    out.print(f"Again:   {again}", soft_wrap=True)


def tell_failures(built: Build, *, debug: bool) -> None:
    """Print on stderr which steps failed, why and where, and how all others ended."""
    for key, outcome in built.summary.failures.items():
        told = _failure(built.summary.steps[key], outcome)
        note(f"\nfailed: {told['title']}\n  {told['message']}\n  where: {told['where']}")
        if debug and outcome.log:
            note(outcome.log)
    counts = built.counts
    note("")
    complain(
        f"{counts['failed']} of {plural(counts['total'], 'step')} failed: {counts['built']} built, "
        f"{counts['cached']} cached, {counts['failed']} failed, {counts['skipped']} skipped as they need a failed one."
        + ("" if debug else " --debug shows the tracebacks.")
    )


def _failure(step: Step, outcome: Outcome) -> dict[str, str]:
    message = outcome.message
    for prefix in OWN_ERRORS:
        message = message.removeprefix(prefix)
    places = [line.strip() for line in outcome.log.splitlines() if line.strip().startswith('File "')]
    where = f"step {step.key[:12]} ({step.function})"
    if places and message == outcome.message:  # not a message of ours: the line of code helps
        where += f", {places[-1]}"
    return {"title": step.title, "message": message, "where": where, "key": step.key}
