"""`outgrow ladder chess`: make the ladder and its tasks again from nothing, and copy them out of the store."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from outgrow.chess.engine import EngineMissingError, find_stockfish
from outgrow.chess.ladder import LadderPlan, export_steps, task_steps
from outgrow.cli import DONE, FAILED
from outgrow.cli.output import note, shown
from outgrow.cli.running import build, tell_failures, usable_cores
from outgrow.dag.scheduler import survey
from outgrow.dag.step import Step
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime
from outgrow.errors import UsageError, unknown
from outgrow.numerals import duration

EXPECTED_SECONDS = {
    "selfplay": 40.0,
    "positions": 8.0,
    "corpus": 120.0,
    "mine_puzzles": 75.0,
    "mine_blunders": 90.0,
    "mine_preferences": 20.0,
}
"""What a step of each kind took on one core when the shipped ladder was made."""
POSITIONS_A_SECOND = {"25k": 4_000, "0.1M": 2_400, "0.34M": 1_100, "1.3M": 450, "4M": 150}
"""Pretraining on one core, by size."""


def make_ladder(
    name: str,
    sizes: str,
    *,
    games: int | None,
    positions: int | None,
    out: Path,
    jobs: int | None,
    store: Path,
    plain: bool,
    debug: bool,
) -> int:
    """Make these sizes and the tasks, copy them to `out`; return the exit code."""
    if name != "chess":
        raise unknown("ladder", name, ["chess"])
    chosen = {key: value for key, value in (("games", games), ("positions", positions)) if value is not None}
    plan = LadderPlan(**chosen)
    models, tasks = export_steps(plan, _known_sizes(sizes)), task_steps(plan)
    kept, targets = Store(store), [*models.values(), *tasks.values()]
    _announce(targets, store=kept, jobs=jobs or usable_cores())
    runtime = Runtime(jobs=jobs or usable_cores())
    built = build(f"ladder {name}", targets, store=kept, runtime=runtime, plain=plain)
    if not built.summary.ok:
        tell_failures(built, debug=debug)
        return FAILED
    for size, step in models.items():
        _copy(kept, step, out / "ladders" / name / size)
    for step in tasks.values():
        _copy(kept, step, out / "tasks")
    print(f"The ladder lies in {shown(out)}: models in ladders/{name}/SIZE, tasks in tasks.")
    return DONE


def _known_sizes(text: str) -> list[str]:
    from outgrow.chess.ladder import SIZES

    sizes = [each.strip() for each in text.split(",") if each.strip()]
    for size in sizes:
        if size not in SIZES:
            raise unknown("size", size, SIZES)
    if not sizes:
        raise UsageError("--sizes names no size: write it as 25k,0.1M")
    return sizes


def _announce(targets: list[Step], *, store: Store, jobs: int) -> None:
    """Say how long it will take, before it starts; refuse at once where the engine is missing."""
    summary = survey(targets, store=store)
    waiting = {key: step for key, step in summary.steps.items() if summary.status.get(key) == "waiting"}
    if not waiting:
        return
    if any(step.kind == "selfplay" or step.kind.startswith("mine_") for step in waiting.values()):
        try:
            find_stockfish()
        except EngineMissingError as error:
            raise UsageError(str(error)) from None
    note(
        f"This takes about {duration(expected_seconds(waiting, jobs=jobs))} on {jobs} of the cores it was timed on. "
        f"Interrupt it when you like: finished steps stay in {shown(store.root)}, and the same command goes on."
    )


def expected_seconds(waiting: Mapping[str, Step], *, jobs: int) -> float:
    """Return about how long these steps take: the work spread over the workers, or the longest chain if longer."""
    longest: dict[str, float] = {}
    for key, step in waiting.items():  # inputs come before the steps that read them
        before = max((longest.get(each.key, 0.0) for each in step.inputs.values()), default=0.0)
        longest[key] = before + _expected(step)
    return max(sum(map(_expected, waiting.values())) / jobs, *longest.values())


def _expected(step: Step) -> float:
    if step.kind == "pretrain":
        recipe = step.spec["recipe"]
        return float(step.spec["chunk"] * recipe["batch"] / POSITIONS_A_SECOND[recipe["size"]])
    return EXPECTED_SECONDS.get(step.kind, 5.0)


def _copy(store: Store, step: Step, folder: Path) -> None:
    artefact = store.get(step.key)
    assert artefact is not None, "the step was just built"
    folder.mkdir(parents=True, exist_ok=True)
    for name in artefact.record["files"]:
        shutil.copyfile(artefact.path(name), folder / name)
