"""`outgrow plan`: the grid of a study, its steps by kind, and how many are shared, cached and to do."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outgrow.cli.output import bullet, console, print_json, table
from outgrow.dag.scheduler import survey
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.numerals import plural
from outgrow.plan import Plan, plan_of


def show_plan(source: str, overrides: Sequence[str], *, store: Path, as_json: bool) -> None:
    """Print what a run of the study would do. Changes nothing."""
    plan = plan_of(source, overrides)
    steps = steps_by_kind(plan, Store(store))
    if as_json:
        print_json(
            {"study": plan.study.name, "steps": steps, "comparisons": list(grid(plan)), "notes": list(plan.notes)}
        )
    else:
        _print(plan, steps)


def steps_by_kind(plan: Plan, store: Store) -> dict[str, dict[str, int]]:
    """Return per kind of step: all, those that several cells share, those in the store, those to do."""
    uses = Counter(key for cell in plan.cells for key in closure(cell.steps))
    summary = survey(plan.targets, store=store)
    counts: dict[str, dict[str, int]] = {}
    for key, step in summary.steps.items():
        row = counts.setdefault(step.kind, {"steps": 0, "shared": 0, "cached": 0, "to do": 0})
        row["steps"] += 1
        row["shared"] += uses[key] > 1
        # What is not needed, as its readers are finished, costs nothing either.
        row["to do" if summary.status.get(key) == "waiting" else "cached"] += 1
    return counts


def grid(plan: Plan) -> list[dict[str, Any]]:
    """Return the study's comparisons by pair: task, supervisor, student, methods, seeds."""
    pairs: dict[tuple[str, str, str], dict[str, list[Any]]] = {}
    for cell in plan.cells:
        row = pairs.setdefault((cell.task, cell.supervisor, cell.student), {"methods": [], "seeds": []})
        row["methods"] += [cell.method] if cell.method not in row["methods"] else []
        row["seeds"] += [cell.seed] if cell.seed not in row["seeds"] else []
    return [
        {"task": task, "supervisor": supervisor, "student": student, **row}
        for (task, supervisor, student), row in pairs.items()
    ]


def _print(plan: Plan, steps: dict[str, dict[str, int]]) -> None:
    out = console()
    out.print(plan.study.name, style="bold")
    if plan.study.about:
        out.print(plan.study.about)
    out.print()
    cells = table("task", "pair", "methods", "seeds")
    for row in grid(plan):
        pair = f"{row['supervisor']} -> {row['student']}"
        cells.add_row(row["task"], pair, "\n".join(row["methods"]), ", ".join(map(str, row["seeds"])))
    out.print(cells)
    out.print()
    counts = table("steps", "all", "shared", "cached", "to do", right=("all", "shared", "cached", "to do"))
    for kind, row in steps.items():
        counts.add_row(kind, *(str(number) for number in row.values()))
    counts.add_section()
    totals = [sum(row[name] for row in steps.values()) for name in ("steps", "shared", "cached", "to do")]
    counts.add_row("together", *map(str, totals), style="bold")
    out.print(counts)
    out.print(f"\n{plural(len(plan.cells), 'cell')}; shared steps serve more than one of them.")
    for each in plan.notes:
        out.print(bullet(each, width=out.width))
