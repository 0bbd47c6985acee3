"""Keeping a store: is everything as it was written, what takes the space, what does nobody need any more."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.dag.canonical import canonical_json, digest
from outgrow.dag.step import Step, closure
from outgrow.dag.store import DamagedArtefactError, RecordFormatError, Store, is_key

NOT_NEEDED = "no study needs it"


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
        except (DamagedArtefactError, RecordFormatError, OSError) as error:
            yield key, str(error)
        else:
            yield key, ""


def usage(store: Store) -> list[Usage]:
    """Return what takes the space, by kind of step, largest first."""
    sizes: dict[str, list[int]] = {}
    for key in store.finished_keys():
        sizes.setdefault(_kind(store, key), []).append(folder_bytes(store.folder(key)))
    for name in ("scratch", "damaged"):
        for folder in (store.root / name).glob("*"):
            sizes.setdefault(f"({name})", []).append(folder_bytes(folder))
    found = [Usage(kind, len(each), sum(each)) for kind, each in sizes.items()]
    return sorted(found, key=lambda each: -each.num_bytes)


def _kind(store: Store, key: str) -> str:
    try:
        artefact = store.get(key)
    except (DamagedArtefactError, RecordFormatError):
        return "(unreadable)"
    return artefact.record["function"].rpartition(":")[2] if artefact else "(unreadable)"


def remember(store: Store, *, name: str, targets: Iterable[Step]) -> None:
    """Write down that a study needs these steps, so that `garbage` spares them.

    A study that was run with other settings needs other steps: all of them are remembered, under one name.
    """
    steps = sorted(closure(targets))
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".-")  # a leading dot would hide it
    path = store.root / "studies" / f"{slug}-{digest(steps)[:12]}.json"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{os.getpid()}")  # another process may write down the same
    mine.write_text(json.dumps({"name": name, "steps": steps}, ensure_ascii=False), encoding="utf-8")
    mine.rename(path)


def remembered(store: Store) -> dict[str, set[str]]:
    """Return the keys that each study of the store needs, by its name. A file that cannot be read raises ValueError."""
    found: dict[str, set[str]] = {}
    for path in _notes(store):
        name, steps = _note(path)
        found.setdefault(name, set()).update(steps)
    return found


def forget(store: Store, name: str) -> bool:
    """Let the store need the steps of this study no longer; return whether it knew the study."""
    known = [path for path in _notes(store) if _note(path)[0] == name]
    for path in known:
        path.unlink(missing_ok=True)
    return bool(known)


def _notes(store: Store) -> list[Path]:
    return sorted((store.root / "studies").glob("[!.]*.json"))


def _note(path: Path) -> tuple[str, list[str]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["name"]), [str(each) for each in data["steps"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} does not say any more which steps its study needs: delete it and run the study once more, "
            "or what it needs would be taken for garbage"
        ) from None


def garbage(store: Store, *, forgotten: str | None = None) -> list[Garbage]:
    """Return what can go: steps of no remembered study, damaged copies, scratch folders whose owner is gone.

    `forgotten` is a study that is taken for one that the store does not remember.
    """
    needed = {key for name, keys in remembered(store).items() if name != forgotten for key in keys}
    found = [
        Garbage(store.folder(key), NOT_NEEDED, folder_bytes(store.folder(key)))
        for key in store.finished_keys()
        if key not in needed
    ]
    for path in sorted((store.root / "damaged").glob("*")):
        found.append(Garbage(path, "damaged copy", folder_bytes(path)))
    for path in sorted((store.root / "scratch").glob("*")):
        if not is_key(path.name):
            continue
        with store.claim(path.name) as mine:
            if mine:
                found.append(Garbage(path, "left behind by a run that ended", folder_bytes(path)))
    return found


def _needed(store: Store) -> set[str]:
    return {key for keys in remembered(store).values() for key in keys}


def remove(store: Store, found: Iterable[Garbage]) -> int:
    """Delete these folders; what is in use or needed by now is spared. Return the bytes that were freed."""
    freed, needed = 0, _needed(store)
    for each in found:
        key = each.path.name.partition(".")[0]
        if each.what == NOT_NEEDED and key in needed:
            continue
        with store.claim(key) as mine:
            if mine:
                _delete(store, each.path, key)
                freed += each.num_bytes
    return freed


def _delete(store: Store, path: Path, key: str) -> None:
    # By way of the scratch folder of a claimed key, where a half deleted folder is rubbish and nothing else.
    scratch = store.scratch(key)
    if path == scratch:
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError):  # somebody else was faster
        path.rename(scratch / path.name)
    shutil.rmtree(scratch, ignore_errors=True)


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
        elif (name in first) != (name in second) or canonical_json(one) != canonical_json(other):  # 1 is not 1.0
            yield place, one, other
