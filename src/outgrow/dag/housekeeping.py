"""Keeping a store: is everything as it was written, what takes the space, what does nobody need any more."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.dag.step import Step, closure
from outgrow.dag.store import DamagedArtefactError, Store


@dataclass(frozen=True)
class Usage:
    """How much a kind of thing takes: finished steps of one function, or scratch, or damaged copies."""

    kind: str
    count: int
    num_bytes: int


@dataclass(frozen=True)
class Garbage:
    """A folder that no study of the store needs."""

    path: Path
    what: str
    num_bytes: int


def verify(store: Store) -> Iterator[tuple[str, str]]:
    """Check the record and every file of every finished step; yield (key, "" or what is wrong)."""
    for key in store.finished_keys():
        try:
            artefact = store.get(key)
            if artefact is not None:
                artefact.verify_all()
        except (DamagedArtefactError, ValueError) as error:
            yield key, str(error)
        else:
            yield key, ""


def usage(store: Store) -> list[Usage]:
    """Return what takes the space, by kind of step, largest first."""
    sizes: dict[str, list[int]] = {}
    for key in store.finished_keys():
        try:
            artefact = store.get(key)
            kind = artefact.record["function"].rpartition(":")[2] if artefact else "damaged"
        except (DamagedArtefactError, ValueError):
            kind = "damaged"
        sizes.setdefault(kind, []).append(folder_bytes(store.folder(key)))
    for name in ("scratch", "damaged"):
        for folder in (store.root / name).glob("*"):
            sizes.setdefault(f"({name})", []).append(folder_bytes(folder))
    found = [Usage(kind, len(each), sum(each)) for kind, each in sizes.items()]
    return sorted(found, key=lambda each: -each.num_bytes)


def remember(store: Store, *, name: str, targets: Iterable[Step], about: Mapping[str, Any]) -> None:
    """Write down that a study needs these steps, so that `garbage` spares them."""
    folder = store.root / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    steps = closure(targets)
    text = json.dumps({"name": name, "steps": sorted(steps), **about}, ensure_ascii=False)
    scratch = folder / f".{name}.json"
    scratch.write_text(text, encoding="utf-8")
    scratch.rename(folder / f"{name}.json")


def remembered(store: Store) -> dict[str, set[str]]:
    """Return the keys that each study of the store needs, by its name."""
    found = {}
    for path in sorted((store.root / "studies").glob("[!.]*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found[data["name"]] = set(data["steps"])
    return found


def garbage(store: Store) -> list[Garbage]:
    """Return what can go: steps of no remembered study, damaged copies, scratch folders whose owner is gone."""
    needed = {key for keys in remembered(store).values() for key in keys}
    found = [
        Garbage(store.folder(key), "no study needs it", folder_bytes(store.folder(key)))
        for key in store.finished_keys()
        if key not in needed
    ]
    for path in sorted((store.root / "damaged").glob("*")):
        found.append(Garbage(path, "damaged copy", folder_bytes(path)))
    for path in sorted((store.root / "scratch").glob("*")):
        with store.claim(path.name) as mine:
            if mine:
                found.append(Garbage(path, "left behind by a run that ended", folder_bytes(path)))
    return found


def remove(store: Store, found: Iterable[Garbage]) -> int:
    """Delete these folders; what is in use by now is spared. Return the bytes that were freed."""
    freed = 0
    for each in found:
        key = each.path.name.partition(".")[0]
        with store.claim(key) as mine:
            if mine:
                shutil.rmtree(each.path, ignore_errors=True)
                freed += each.num_bytes
    return freed


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def differences(first: Mapping[str, Any], second: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, first value, second value) wherever two pieces of plain data differ."""
    for name in sorted({*first, *second}):
        place = f"{where}.{name}" if where else name
        one, other = first.get(name), second.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from differences(one, other, place)
        elif one != other or (name in first) != (name in second):
            yield place, one, other
