"""The public functions: load a study, run it, read its results."""

from collections.abc import Callable, Iterable
from pathlib import Path

from outgrow.dag.journal import run_logged
from outgrow.dag.scheduler import Event, Summary
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime
from outgrow.errors import StepError
from outgrow.numerals import plural
from outgrow.plan import Plan, plan_of
from outgrow.results import Results
from outgrow.spec import Study

DEFAULT_STORE = "./outgrow-store"


def run(
    study: Study | str | Path = "chess-quick",
    *,
    store: str | Path = DEFAULT_STORE,
    jobs: int = 1,
    device: str = "cpu",
    gpus: int = 1,
    overrides: Iterable[str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
) -> Results:
    """Run a study (a name, a YAML file or a `Study`) and return its results.

    `device`: cpu, cuda or cuda:N. `gpus`: so many share each model, one process on each. What the store has is not
    done again. Raises UsageError for a study that cannot be used and StepError, after everything else was done, if a
    step failed.
    """
    plan = plan_of(study, overrides)
    summary = run_plan(plan, store=Store(store), jobs=jobs, device=device, gpus=gpus, on_event=on_event)
    raise_failure(summary)
    return Results(plan, Store(store))


def run_plan(
    plan: Plan,
    *,
    store: Store,
    jobs: int = 1,
    device: str = "cpu",
    gpus: int = 1,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Summary:
    """Build what a plan needs and the store has not; return how every step ended. The store remembers the study."""
    runtime = Runtime(jobs=jobs, device=device, gpus=gpus)
    return run_logged(plan.targets, name=plan.study.name, store=store, runtime=runtime, on_event=on_event)


def raise_failure(summary: Summary) -> None:
    """Raise StepError where a step failed, with the first one's message."""
    if not summary.ok:
        outcome = next(iter(summary.failures.values()))
        title = summary.steps[outcome.key].title
        raise StepError(f"{plural(len(summary.failures), 'step')} failed, the first is {title!r}: {outcome.message}")
