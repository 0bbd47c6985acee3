"""Rows from files: every format gives the same rows, and what is wrong is named with file and row."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.errors import StepError, UsageError
from outgrow.tasks import Where, find_task
from outgrow.tasks.rows import Origin, locate_rows, read_file, stored_rows

ROWS = [
    {"sentence": 'He said "so", and left.', "label": 1},
    {"sentence": "Line\none\u2028and two.", "label": 0},
    {"sentence": "ünï, cödé", "label": 1},
]


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows):
    made = io.StringIO()
    writer = csv.DictWriter(made, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue().encode()


def parquet(rows):
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), made)
    return made.getvalue()


FORMATS = {
    "train.jsonl": jsonl(ROWS),
    "train.jsonl.gz": gzip.compress(jsonl(ROWS)),
    "train.csv": as_csv(ROWS),
    "train.csv.gz": gzip.compress(as_csv(ROWS)),
    "train.parquet": parquet(ROWS),
}


def folder(tmp_path, **files):
    """Return a data_dir with these files of cola."""
    place = tmp_path / "data" / "cola"
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    return str(tmp_path / "data")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    rows = find_task("cola").rows(Where(None, folder(tmp_path, **{name: FORMATS[name]})))
    assert rows.every.texts == tuple(row["sentence"] for row in ROWS)
    assert rows.every.truth_N.tolist() == [1, 0, 1]
    assert rows.every.ids == ("train-1", "train-2", "train-3")


def test_splits_are_pooled_and_others_left_alone(tmp_path):
    files = {"train.jsonl": jsonl(ROWS[:1]), "validation.csv": as_csv(ROWS[1:]), "test.jsonl": b"hidden", "x.md": b""}
    rows = find_task("cola").rows(Where(None, folder(tmp_path, **files)))
    assert rows.every.ids == ("train-1", "validation-1", "validation-2")


def test_a_file_or_folder_named_for_the_task_comes_before_data_dir(tmp_path):
    data_dir = folder(tmp_path, **{"train.jsonl": jsonl(ROWS)})
    mine = tmp_path / "mine.jsonl"
    mine.write_bytes(jsonl(ROWS[:2]))
    assert find_task("cola").rows(Where(str(mine), data_dir)).every.ids == ("rows-1", "rows-2")
    assert len(find_task("cola").rows(Where(str(tmp_path / "data" / "cola"))).every) == 3


def test_rows_are_known_by_content_and_not_by_place(tmp_path):
    task = find_task("cola")
    one = task.locate(Where(None, folder(tmp_path / "one", **{"train.jsonl": jsonl(ROWS)})))
    same = task.locate(Where(None, folder(tmp_path / "two", **{"train.jsonl": jsonl(ROWS)})))
    other = task.locate(Where(None, folder(tmp_path / "three", **{"train.jsonl": jsonl(ROWS[:2])})))
    assert one.spec == same.spec != other.spec
    assert str(tmp_path) not in json.dumps(one.spec)


def test_a_file_that_changed_after_planning_is_refused(tmp_path):
    task, data_dir = find_task("cola"), folder(tmp_path, **{"train.jsonl": jsonl(ROWS)})
    located = task.locate(Where(None, data_dir))
    (tmp_path / "data" / "cola" / "train.jsonl").write_bytes(jsonl(ROWS[:2]))
    with pytest.raises(StepError, match=r"train\.jsonl has changed since the study was planned"):
        task.read(located.spec, located.places)
    (tmp_path / "data" / "cola" / "train.jsonl").unlink()
    with pytest.raises(StepError, match=r"train\.jsonl cannot be read"):
        task.read(located.spec, located.places)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train.jsonl": jsonl([{"sentence": "x"}])}, "train.jsonl has no column label: its columns are sentence"),
        ({"train.csv": b"text,label\nx,1\n"}, "train.csv has no column sentence"),
        ({"train.parquet": b"not"}, "train.parquet is not a whole Parquet file"),
        ({"train.jsonl.gz": gzip.compress(jsonl(ROWS), mtime=0)[:20]}, "train.jsonl.gz is not a whole gzip file"),
        ({"train.jsonl": b"\xff\xfe"}, "train.jsonl is not UTF-8"),
        ({"train.jsonl": b"[1]\n"}, r"train.jsonl, row 1: not a JSON object but '\[1\]'"),
        ({"test.jsonl": b"{}\n"}, "has no rows of cola: put train, validation there"),
        ({"train.jsonl": b"{}\n", "train.csv": b"a\n"}, "train.csv and train.jsonl: which of them is the split train"),
    ],
    ids=str,
)
def test_files_that_cannot_be_used_are_refused_when_the_study_is_planned(tmp_path, files, message):
    with pytest.raises(UsageError, match=message):
        find_task("cola").locate(Where(None, folder(tmp_path, **files)))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"the rows of wic are not here: there is no file or folder .*wic"):
        find_task("wic").locate(Where(None, folder(tmp_path)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", jsonl(ROWS) + b"{broken\n", r"row 4: not a JSON object but '\{broken'"),
        ("rows.csv", b"a,b\n1,2\n3\n", "row 2: it does not have the 2 columns"),
        ("rows.csv", b"a,b\n1,2\n3,4,5\n", "row 2: it does not have the 2 columns"),
        ("rows.csv", b'a,b\n1,"2\n', "row 1: not CSV"),
        ("rows.txt", b"", "an ending that is not known"),
    ],
)
def test_a_row_that_is_not_one_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StepError, match=message):
        list(read_file(tmp_path / name))


def test_a_sample_is_chosen_by_row_number_from_all_over_the_file(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_bytes(jsonl([{"n": i} for i in range(4_000)]))
    located = locate_rows(Origin("many", files=(str(path),), one_in=10), Where(), columns=["n"])
    assert len(list(stored_rows(located.spec, located.places, columns=["n"]))) == 4_000  # files here are read whole

    def numbers():
        return [row.number for row in stored_rows(located.spec | {"one_in": 10}, located.places, columns=["n"])]

    found = numbers()
    assert 330 < len(found) < 470
    assert found == numbers()
    assert sum(number > 2_000 for number in found) > 130  # not the first n rows
    path.write_bytes(jsonl([{"n": -i} for i in range(4_000)]))
    located = locate_rows(Origin("many", files=(str(path),)), Where(), columns=["n"])
    assert found == numbers()  # what stands in a row has no say
