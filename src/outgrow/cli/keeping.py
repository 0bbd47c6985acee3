"""`outgrow verify`, `gc`, `store` and `explain`: is a store whole, what takes its space, what can go, what differs."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from outgrow.cli import DONE, FAILED
from outgrow.cli.output import console, note, print_json, shown, table
from outgrow.dag.housekeeping import (
    differences,
    forget,
    garbage,
    remembered,
    remove,
    usage,
    verify,
)
from outgrow.dag.journal import run_goes_on
from outgrow.dag.store import Artefact, DamagedArtefactError, Store
from outgrow.errors import UsageError, unknown
from outgrow.numerals import plural, size

LISTED = 20
"""Differences and steps that are printed at most."""


def show_verified(root: Path, *, as_json: bool) -> int:
    """Compare every file of the store with its checksum and print what is damaged; return the exit code."""
    store = Store(root)
    found = dict(verify(store))
    wrong = {key: what for key, what in found.items() if what}
    if as_json:
        print_json({"store": str(store.root), "steps": len(found), "damaged": wrong})
        return FAILED if wrong else DONE
    out = console()
    for what in wrong.values():
        out.print(what, soft_wrap=True)
    if wrong:
        out.print(f"\n{len(wrong)} of {plural(len(found), 'finished step')} are damaged: outgrow run builds them anew.")
        return FAILED
    out.print(f"{shown(store.root)}: {plural(len(found), 'finished step')}, all as written.", soft_wrap=True)
    return DONE


def show_usage(root: Path, *, as_json: bool) -> None:
    """Print what takes the store's space, by kind of step, and which studies it remembers."""
    store = Store(root)
    found, studies = usage(store), remembered(store)
    if as_json:
        kinds = {each.kind: {"count": each.count, "bytes": each.num_bytes} for each in found}
        print_json({"store": str(store.root), "kinds": kinds, "studies": {k: len(v) for k, v in studies.items()}})
        return
    out = console()
    if not found:
        out.print(f"{shown(store.root)} holds nothing. To fill it: outgrow run", soft_wrap=True)
        return
    rows = table("kind", "number", "on disk", right=("number", "on disk"))
    for each in found:
        rows.add_row(each.kind, f"{each.count:,}", size(each.num_bytes))
    rows.add_section()
    rows.add_row("together", f"{sum(e.count for e in found):,}", size(sum(e.num_bytes for e in found)), style="bold")
    out.print(rows)
    for name, keys in studies.items():
        out.print(f"The study {name} needs {plural(len(keys), 'step')}.")
    out.print("\nWhat no study needs: outgrow gc --dry-run")


def collect_garbage(root: Path, *, forgotten: str | None, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Delete what no study of the store needs, after asking; return the exit code."""
    store = Store(root)
    if run_goes_on(store):
        raise UsageError(f"a run is going on in {shown(store.root)}: let it end, or interrupt it, before you delete")
    spared = remembered(store)
    if forgotten is not None and forgotten not in spared:
        raise unknown("study of this store", forgotten, spared)
    found = garbage(store, forgotten=forgotten)
    if as_json and (dry_run or not yes):
        print_json([{"path": str(each.path), "why": each.what, "bytes": each.num_bytes} for each in found])
        return DONE
    if not found:
        console().print(f"Nothing in {shown(store.root)} can go.", soft_wrap=True)
    for why in sorted({each.what for each in found}):
        bytes_of = [each.num_bytes for each in found if each.what == why]
        console().print(f"{plural(len(bytes_of), 'folder')}, {size(sum(bytes_of))}: {why}")
    if dry_run or (not found and forgotten is None):
        return DONE
    if not (yes or _agreed(len(found))):
        note("Nothing was deleted.")
        return DONE
    if forgotten is not None:
        forget(store, forgotten)
    console().print(f"{size(remove(store, found))} freed.")
    return DONE


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on: --yes deletes without asking, --dry-run only lists")
    return input(f"Delete {plural(number, 'folder')}? [y/N] ").strip().lower() in ("y", "yes")


def explain(first: str, second: str, *, root: Path, as_json: bool) -> int:
    """Print the fields in which two finished steps differ, down through the steps they read."""
    store = Store(root)
    one, other = _find(store, first), _find(store, second)
    found = list(_why(store, one, other, where="", seen=set()))
    if as_json:
        print_json([{"field": place, "first": a, "second": b} for place, a, b in found])
        return DONE
    out = console()
    for each in (one, other):
        out.print(f"{each.key[:12]}  {each.record.get('title', '')}", soft_wrap=True)
    if not found:
        out.print("\nThey are one and the same step.")
    for place, a, b in found[:LISTED]:
        out.print(f"\n{place}\n  {_brief(a)}\n  {_brief(b)}", soft_wrap=True)
    if len(found) > LISTED:
        out.print(f"\n... and {len(found) - LISTED} more: --json lists all.")
    return DONE


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _find(store: Store, wanted: str) -> Artefact:
    """Return the finished step whose key begins so, or else the one whose title holds these words."""
    keys = [key for key in store.finished_keys() if key.startswith(wanted.lower())]
    if len(keys) == 1:
        found = store.get(keys[0])
        assert found is not None, "its folder was just listed"
        return found
    held = [each for key in keys or store.finished_keys() if (each := _read(store, key)) is not None]
    fit = held if keys else [each for each in held if wanted.lower() in each.record.get("title", "").lower()]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        raise UsageError(f"no finished step of {shown(store.root)} has a key or a title like {wanted!r}")
    lines = [f"\n  {each.key[:12]}  {each.record.get('title', '')}" for each in fit[:LISTED]]
    more = f"\n  and {len(fit) - LISTED} more" if len(fit) > LISTED else ""
    raise UsageError(f"{wanted!r} fits {len(fit)} steps, name one by its key:{''.join(lines)}{more}")


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("function", "version", "spec")}


def _why(
    store: Store, one: Artefact, other: Artefact, *, where: str, seen: set[tuple[str, str]]
) -> Iterator[tuple[str, Any, Any]]:
    if one.key == other.key or (one.key, other.key) in seen:
        return
    seen.add((one.key, other.key))
    yield from differences(_identity(one.record), _identity(other.record), where)
    first, second = one.record["inputs"], other.record["inputs"]
    for name in sorted({*first, *second}):
        place = f"{where}.inputs.{name}" if where else f"inputs.{name}"
        read = [_read(store, inputs.get(name)) for inputs in (first, second)]
        if read[0] and read[1]:
            yield from _why(store, read[0], read[1], where=place, seen=seen)
        elif first.get(name) != second.get(name):
            yield place, first.get(name), second.get(name)


def _read(store: Store, key: str | None) -> Artefact | None:
    try:
        return store.get(key) if key else None
    except DamagedArtefactError:
        return None
