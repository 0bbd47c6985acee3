"""A study run to its end, for tests of the whole protocol."""

from outgrow.api import run_plan
from outgrow.plan import make_plan
from outgrow.results import Results


def finished(study, store, *, jobs=1):
    """Return the results of a study; fail with the tracebacks of what failed."""
    plan = make_plan(study)
    summary = run_plan(plan, store=store, jobs=jobs)
    assert summary.ok, [failure.log for failure in summary.failures.values()]
    return Results(plan, store)
