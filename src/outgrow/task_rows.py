"""The rows that a study's seeds deal out, with their ids: what whoever labels them needs. Loads no model, no torch."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from outgrow.api import DEFAULT_STORE, raise_failure
from outgrow.dag.scheduler import run_graph
from outgrow.dag.store import Artefact, Store
from outgrow.dag.work import Runtime
from outgrow.errors import UsageError, unknown
from outgrow.examples import Examples
from outgrow.plan import TaskRows, plan_rows, study_and_lock
from outgrow.spec import Study
from outgrow.splits import FIXED_SPLITS, split_rows
from outgrow.tasks import Task


def rows(
    study: Study | str | Path,
    *,
    task: str | None = None,
    split: str | None = None,
    seed: int | None = None,
    truth: bool = False,
    store: str | Path = DEFAULT_STORE,
    overrides: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Return rows of a study's task as `{"id": ..., "text": ...}`: what a file of weak labels has to cover.

    `task`: may be left out where the study has one. `split`: `test`, `student`, ...; None: all that a label file has
    to cover. `seed`: one of the study's; None: all, each row once. `truth`: add the right option's name, to make
    labels with known errors. Where options are texts that differ by row they stand under `options`. The step that
    reads the task's rows is done if the store has it not. UsageError for a name that the study has not.
    """
    chosen, lock = study_and_lock(study, overrides)
    planned = plan_rows(chosen, task, lock)
    if seed is not None and seed not in chosen.seeds:
        raise UsageError(f"the study {chosen.name} has the seeds {', '.join(map(str, chosen.seeds))}, not {seed}")
    kept = Store(store)
    raise_failure(run_graph([planned.source], store=kept, runtime=Runtime()))
    source = kept.get(planned.source.key)
    assert source is not None, "it was just built"
    seeds = chosen.seeds if seed is None else (seed,)
    found: dict[str, dict[str, Any]] = {}
    for name in (split,) if split is not None else planned.labelled:
        for each in (None,) if name in FIXED_SPLITS else seeds:
            for row in _plain(_split(planned, source, name, each), planned.task, truth):
                found.setdefault(row["id"], row)
    return list(found.values())


def _split(planned: TaskRows, source: Artefact, name: str, seed: int | None) -> Examples:
    fixed = [each for each in FIXED_SPLITS if f"{each}.parquet" in source.record["files"]]
    if name not in (*fixed, *planned.sizes):
        raise unknown(f"split of {planned.task.name}", name, [*fixed, *planned.sizes])
    return split_rows(source, [name], task=planned.task, sizes=planned.sizes, seed=seed)


def _plain(examples: Examples, task: Task, truth: bool) -> Iterator[dict[str, Any]]:
    names = task.options()
    for i, (each, text) in enumerate(zip(examples.ids, examples.texts, strict=True)):
        row: dict[str, Any] = {"id": each, "text": text}
        if examples.completions:
            row["options"] = list(examples.completions[i])
        if truth:
            row["truth"] = examples.answers[i] if examples.answers else names[int(examples.truth_N[i])]
        yield row
