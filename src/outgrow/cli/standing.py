"""`outgrow status`: what a store holds, and how far a study is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outgrow.cli import watching
from outgrow.cli.output import console, print_json, shown, table
from outgrow.cli.running import show_tables
from outgrow.dag.scheduler import survey
from outgrow.dag.store import RECORD_NAME, Store
from outgrow.numerals import plural, size
from outgrow.plan import Cell, Plan, plan_of
from outgrow.results import Results


def show_store(root: Path, *, as_json: bool) -> None:
    """Print how many finished steps of each kind the store holds, their size, and the newest."""
    store = Store(root)
    held = contents(store)
    if as_json:
        print_json({"store": str(store.root), **held, "runs": watching.plain(store)})
        return
    watching.show_runs(store)
    out = console()
    if not held["kinds"]:
        out.print(f"{shown(store.root)} holds no finished step. To fill it: outgrow run", soft_wrap=True)
        return
    rows = table("steps", "finished", "on disk", right=("finished", "on disk"))
    for kind, row in held["kinds"].items():
        rows.add_row(kind, f"{row['finished']:,}", size(row["bytes"]))
    out.print(f"{shown(store.root)}", style="bold", soft_wrap=True)
    out.print(rows)
    total = sum(row["bytes"] for row in held["kinds"].values())
    number = sum(row["finished"] for row in held["kinds"].values())
    out.print(f"\n{plural(number, 'finished step')}, {size(total)}. Newest: {held['newest']}.")
    if held["unreadable"]:
        out.print(f"{plural(held['unreadable'], 'record')} cannot be read; a run that needs them builds them anew.")


def contents(store: Store) -> dict[str, Any]:
    """Return finished steps and bytes by kind, the newest step's title, and how many records cannot be read."""
    kinds: dict[str, dict[str, int]] = {}
    newest, newest_title, unreadable = -1.0, "", 0
    for key in store.finished_keys():
        path = store.folder(key) / RECORD_NAME
        try:
            # Without the checksum, which would cost more than the reading: nothing is computed from this.
            text = path.read_bytes()
            record = json.loads(text)
            kind, started = record["function"].rpartition(":")[2], record["provenance"]["started"]
            files = sum(each["bytes"] for each in record["files"].values())
        except (OSError, ValueError, KeyError, TypeError):
            unreadable += 1
            continue
        row = kinds.setdefault(kind, {"finished": 0, "bytes": 0})
        row["finished"] += 1
        row["bytes"] += len(text) + files
        if started > newest:
            newest, newest_title = started, record.get("title") or kind
    return {"kinds": dict(sorted(kinds.items())), "newest": newest_title, "unreadable": unreadable}


def show_study(source: str, overrides: Sequence[str], *, store: Path, as_json: bool) -> None:
    """Print how many steps and seeds of a study are finished, and its table so far. Changes nothing."""
    plan = plan_of(source, overrides)
    results = Results(plan, Store(store))
    summary = survey(plan.targets, store=results.store)
    waiting = summary.count("waiting")
    total = len(summary.steps)
    finished = seeds_finished(plan, {key for key, status in summary.status.items() if status == "cached"})
    if as_json:
        steps = {"total": total, "done": total - waiting, "to do": waiting}
        print_json(
            {
                "study": plan.study.name,
                "steps": steps,
                "runs": watching.plain(results.store),
                "progress": finished,
                "comparisons": results.table(),
            }
        )
        return
    watching.show_runs(results.store)
    out = console()
    out.print(f"{plan.study.name}: {total - waiting} of {plural(total, 'step')} done, {waiting} to do")
    rows = table("task", "pair", "method", "seeds", right=("seeds",))
    for row in finished:
        pair = f"{row['supervisor']} -> {row['student']}"
        rows.add_row(row["task"], pair, row["method"], f"{len(row['done'])} of {row['seeds']}")
    out.print(rows)
    out.print()
    show_tables(results)
    if waiting:
        out.print(f"\nTo go on: outgrow run {source}", soft_wrap=True)


def seeds_finished(plan: Plan, cached: set[str]) -> list[dict[str, Any]]:
    """Return per comparison the seeds whose records are all in the store."""
    grouped: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in plan.cells:
        grouped.setdefault((cell.task, cell.supervisor, cell.student, cell.method), []).append(cell)
    return [
        {
            **dict(zip(("task", "supervisor", "student", "method"), names, strict=True)),
            "seeds": len(cells),
            "done": [cell.seed for cell in cells if all(each.key in cached for each in cell.steps)],
        }
        for names, cells in grouped.items()
    ]
