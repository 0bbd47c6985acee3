"""The store: finished steps on disk, one folder each, and the locks that keep two processes apart.

A step is built in a scratch folder by the owner of its lock. Its record is written last; one rename publishes
the folder. So a folder under `steps/` is complete, and whatever lies under `scratch/` is rubbish unless its
lock is held. The kernel frees a lock when its owner dies, however it dies.

    steps/ab/abcd.../record.json   what was computed, from what, the numbers it gave, a checksum of every file
    scratch/  locks/  damaged/     work in progress, one lock file a key, what failed a checksum
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from filelock import FileLock, Timeout

from outgrow.dag.canonical import digest

RECORD_FORMAT = 1
RECORD_NAME = "record.json"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk, a quota or a file is full."""


def reached(point: str) -> None:
    """Mark a point where a fault would hurt most. Does nothing: the drills put their faults here."""


class RecordFormatError(ValueError):
    """A record is whole but of a format that this version does not read."""


class DamagedArtefactError(Exception):
    """A record or a file of a finished step does not match its checksum."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"step {key[:12]}: {what}")
        self.key = key
        self.what = what


@dataclass(frozen=True)
class Artefact:
    """A finished step as its readers see it: its outputs (numbers and text) and its files."""

    key: str
    folder: Path
    record: Mapping[str, Any]
    _verified: set[str] = field(default_factory=set, repr=False)

    @property
    def outputs(self) -> dict[str, Any]:
        """The numbers and texts that the step function returned."""
        return dict(self.record["outputs"])

    def has(self, name: str) -> bool:
        """Return whether the step left a file of this name."""
        return name in self.record["files"]

    def path(self, name: str) -> Path:
        """Return the path of one of its files, after its checksum was compared (once per object)."""
        if name not in self.record["files"]:
            raise KeyError(f"step {self.key[:12]} has no file {name!r}, only {sorted(self.record['files'])}")
        if name not in self._verified:
            self.verify(name)
            self._verified.add(name)
        return self.folder / name

    def verify(self, name: str) -> None:
        """Raise DamagedArtefactError unless the file has the size and checksum of the record."""
        expected = self.record["files"][name]
        path = self.folder / name
        if not path.is_file():
            raise DamagedArtefactError(self.key, f"{name} is missing")
        if path.stat().st_size != expected["bytes"] or file_sha256(path) != expected["sha256"]:
            raise DamagedArtefactError(self.key, f"{name} does not match its checksum")

    def verify_all(self) -> None:
        """Compare every file with the record."""
        for name in self.record["files"]:
            self.verify(name)


class Store:
    """All finished steps below one folder. Any number of processes may use one store at once."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()

    def folder(self, key: str) -> Path:
        """Return where the step of this key lies, or would lie."""
        return self.root / "steps" / key[:2] / _checked_key(key)

    def get(self, key: str) -> Artefact | None:
        """Return the finished step of this key, or None. Raises DamagedArtefactError for a bad record."""
        path = self.folder(key) / RECORD_NAME
        for _ in range(2):
            try:
                text = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                if not path.parent.exists():
                    return None
                # Published between the two looks, or really without a record: a second reading tells.
            else:
                return Artefact(key, path.parent, _parsed_record(key, text))
        raise DamagedArtefactError(key, "its record is missing")

    def is_damaged(self, key: str) -> bool:
        """Return whether the step of this key is there but not as it was written: every file is read."""
        try:
            artefact = self.get(key)
            if artefact is not None:
                artefact.verify_all()
        except DamagedArtefactError:
            return True
        return False

    def prepare(self) -> None:
        """Make the store's folders and write to them, for a trial; OSError names the store and the remedy."""
        try:
            for name in ("steps", "scratch", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
                with TemporaryFile(dir=self.root / name) as file:
                    file.write(b"a trial")
        except OSError as error:
            reason = "a file lies there" if self.root.is_file() else error.strerror or str(error)
            remedy = "make room there, or" if error.errno in NO_ROOM else "make it writable, or"
            told = f"the store cannot be written ({reason}): {remedy} choose another place with --store"
            raise OSError(error.errno, told, str(self.root)) from None

    def finished_keys(self) -> Iterator[str]:
        """Yield the key of every finished step."""
        for path in sorted(self.root.glob("steps/??/*")):
            if is_key(path.name):
                yield path.name

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Try to own this key: yields True while its lock is held, False at once if another process has it."""
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{_checked_key(key)}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            reached("claimed")
            yield True
        finally:
            lock.release()

    def scratch(self, key: str) -> Path:
        """Return a fresh, empty scratch folder for this key. The caller holds the claim on it."""
        folder = self.root / "scratch" / _checked_key(key)
        shutil.rmtree(folder, ignore_errors=True)  # left behind by an owner that died: the claim is ours now
        folder.mkdir(parents=True)
        return folder

    def publish(self, scratch: Path, record: Mapping[str, Any]) -> Artefact:
        """Write the record into the scratch folder, its files' checksums added, and publish it by one rename."""
        if (scratch / RECORD_NAME).exists():
            raise ValueError(f"a step must not write a file {RECORD_NAME}: that is the store's")
        files = {}
        for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
            files[path.relative_to(scratch).as_posix()] = {
                "bytes": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            _fsync(path)
        reached("files written")
        whole = {"format": RECORD_FORMAT, **record, "files": files}
        whole["checksum"] = digest(whole)
        record_path = scratch / RECORD_NAME
        record_path.write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        _fsync(record_path)  # no folder is synced: a rename lost in a power cut loses the step, never its truth
        reached("record written")
        target = self.folder(record["key"])
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.rename(target)
        reached("published")
        return Artefact(record["key"], target, whole)

    def quarantine(self, key: str) -> Path:
        """Move a damaged step out of the way, so that it is built anew; return where it went."""
        target = self.root / "damaged" / _checked_key(key)
        for attempt in range(1, 1_000):
            place = target.with_name(f"{key}.{attempt}")
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                self.folder(key).rename(place)
                return place
        raise OSError(f"{target.parent} is full of damaged copies of {key}: remove them")


def is_key(name: str) -> bool:
    """Return whether this is the form of a key: 64 hexadecimal digits."""
    return len(name) == 64 and not set(name) - set("0123456789abcdef")


def _checked_key(key: str) -> str:
    if not is_key(key):
        raise ValueError(f"not a key: {key!r}")
    return key


def _parsed_record(key: str, text: bytes) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(text)
        claimed = record.pop("checksum")
        damaged = digest(record) != claimed or record["key"] != key
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedArtefactError(key, "its record cannot be read") from None
    if damaged:
        raise DamagedArtefactError(key, "its record does not match its checksum")
    # The checksum is made alike in every format, so that damage and a newer format can be told apart.
    if record["format"] != RECORD_FORMAT:
        raise RecordFormatError(
            f"step {key[:12]} has a record of format {record['format']}, this version reads {RECORD_FORMAT}: "
            "use the version of outgrow that wrote the store, or another --store"
        )
    return record


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
