"""Rows of text sets, from files here or from the hub: one loader for JSONL, CSV and Parquet. Knows no set.

A set is a folder with one file a split, or a data set of the hub at a pinned revision, read from Parquet; no loading
script is ever run.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.dag.store import file_sha256
from outgrow.errors import StepError, UsageError
from outgrow.hub import dataset_file
from outgrow.seeds import derive
from outgrow.tasks.base import Located, Where, unchanged

SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")
ONE_FILE = "rows"
"""The split of a set that is a single file."""
Row = dict[str, Any]


@dataclass(frozen=True)
class StoredRow:
    """A row as it is stored: `number` counts from 1 within the split, `place` names it to a person."""

    split: str
    number: int
    place: str
    values: Row

    @property
    def id(self) -> str:
        """The row's name, which stays as long as the files do."""
        return f"{self.split}-{self.number}"


@dataclass(frozen=True)
class Origin:
    """Where a task's rows come from by default: files here, or splits of a hub data set (none named: all).

    one_in: of a hub set of millions about one row in so many is read; of files here all.
    """

    task: str
    hub: str = ""
    config: str = ""
    splits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    one_in: int = 1


def locate_rows(origin: Origin, where: Where, *, columns: Iterable[str], known: Iterable[str] = ()) -> Located:
    """Return the rows that the study names, else those of its data_dir, else the origin's own.

    Local files must have these columns, told by their first row. UsageError names what is missing.
    """
    if where.data is not None:
        return _local(_named(origin, Path(where.data).expanduser()), columns)
    if origin.files:
        paths = [Path(each).expanduser() for each in origin.files]
        many = len(paths) > 1
        return _local({f"{ONE_FILE}{i if many else ''}": path for i, path in enumerate(paths, start=1)}, columns)
    if where.data_dir is not None:
        return _local(_named(origin, Path(where.data_dir).expanduser() / origin.task), columns)
    pin = where.lock.dataset(origin.hub, origin.config, known=known)
    files = {split: each for split, each in pin.files.items() if not origin.splits or split in origin.splits}
    if not files:
        raise UsageError(
            f"the data set {origin.hub} has none of the splits {', '.join(origin.splits)}: it has "
            f"{', '.join(pin.files) or 'none'}"
        )
    spec = {"hub": origin.hub, "revision": pin.revision, "files": files}
    return Located(spec | ({"one_in": origin.one_in} if origin.one_in > 1 else {}))


def _named(origin: Origin, place: Path) -> dict[str, Path]:
    """Return the file of each split in a folder; a file is a set of one split."""
    if place.is_file():
        return {ONE_FILE: place}
    if not place.is_dir():
        raise UsageError(f"the rows of {origin.task} are not here: there is no file or folder {place}")
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        suffix = next((each for each in SUFFIXES if path.name.endswith(each)), None)
        split = path.name.removesuffix(suffix or "")
        if suffix is None or (origin.splits and split not in origin.splits):
            continue
        if split in found:
            raise UsageError(f"{place} has {found[split].name} and {path.name}: which of them is the split {split}?")
        found[split] = path
    if not found:
        splits = ", ".join(origin.splits) or "any split"
        raise UsageError(f"{place} has no rows of {origin.task}: put {splits} there as .jsonl, .csv (.gz) or .parquet")
    return found


def _local(files: Mapping[str, Path], columns: Iterable[str]) -> Located:
    for path in files.values():
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        try:
            first = next(iter(read_file(path)), None)
        except StepError as error:
            raise UsageError(str(error)) from None
        missing = [name for name in columns if first is not None and name not in first]
        if missing:
            has = ", ".join(map(str, first or ()))
            raise UsageError(f"{path} has no column {' and no '.join(missing)}: its columns are {has}")
    hashes = {split: file_sha256(path) for split, path in files.items()}
    return Located({"files": hashes}, {split: str(path) for split, path in files.items()})


def stored_rows(spec: Mapping[str, Any], places: Mapping[str, str], *, columns: Sequence[str]) -> Iterator[StoredRow]:
    """Yield the rows that were located, split by split; StepError where a file is not what it was or not readable.

    Of the spec's `one_in` about one row is kept, chosen by a hash of split and number and not by what stands there.
    """
    one_in = spec.get("one_in", 1)
    for split in spec["files"]:
        number = 0
        for path in _paths(spec, places, split):
            for at, values in enumerate(read_file(path, columns), start=1):
                number += 1
                if one_in == 1 or derive(0, "sample of rows", split, number) % one_in == 0:
                    yield StoredRow(split, number, f"{path.name}, row {at}", values)


def _paths(spec: Mapping[str, Any], places: Mapping[str, str], split: str) -> Iterator[Path]:
    if "hub" in spec:
        for file in spec["files"][split]:
            yield dataset_file(spec["hub"], spec["revision"], file)
    else:
        yield unchanged(Path(places[split]), spec["files"][split])


def read_file(path: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of a JSONL, CSV or Parquet file; of Parquet only these columns are read, where any are named.

    StepError names the file, and the row that is not one.
    """
    if path.name.endswith(".parquet"):
        return _parquet(path, columns)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _jsonl(path)
    if path.name.endswith((".csv", ".csv.gz")):
        return _csv(path)
    raise StepError(f"{path} has an ending that is not known: rows are {', '.join(SUFFIXES)}")


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not columns or name in columns]
            for batch in file.iter_batches(columns=names):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise StepError(f"{path} is not a whole Parquet file: {str(error).splitlines()[0]}") from None


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise StepError(f"{path}, row {number}: not a JSON object but {line.strip()[:40]!r}")
        yield row


def _csv(path: Path) -> Iterator[Row]:
    reader = csv.DictReader(_lines(path), strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if None in row or None in row.values():
                raise StepError(f"{path}, row {number}: it does not have the {len(reader.fieldnames or ())} columns")
            yield dict(row)
    except csv.Error as error:
        raise StepError(f"{path}, row {number + 1}: not CSV ({error})") from None


def _lines(path: Path) -> Iterator[str]:
    """Yield lines as they are: only a line feed ends one, whatever else Unicode takes for an end."""
    try:
        with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
            yield from io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")
    except UnicodeDecodeError:
        raise StepError(f"{path} is not UTF-8 text: save it as that") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise StepError(f"{path} is not a whole gzip file: unpack it, or fetch it again") from None
    except OSError as error:
        raise StepError(f"{path} cannot be read: {error.strerror}") from None
