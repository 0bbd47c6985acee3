"""Weak labels from a file: what is right is read as it stands, what is wrong is named by its row."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.dag.scheduler import run_graph
from outgrow.dag.store import file_sha256
from outgrow.dag.work import Runtime
from outgrow.tables import read_examples, read_labels
from outgrow.versions import step


@pytest.fixture
def source(tiny_tasks):
    spec = {"task": "chess-blunder", "sha256": file_sha256(tiny_tasks["chess-blunder"]), "test": 4, "tune": 0}
    return step("task", spec, places={"data": str(tiny_tasks["chess-blunder"])})


@pytest.fixture
def read(source, store, tmp_path):
    """Return a function that gives a step a file and returns its artefact, or the message of its failure."""

    def run(text, *, name="labels.jsonl", changed_to=None):
        path = tmp_path / name
        if text is not None:
            path.write_text(text, encoding="utf-8")
        spec = {"task": "chess-blunder", "sha256": file_sha256(path)}
        reading = step("label_file", spec, {"task": source}, places={"labels": str(path)})
        if changed_to is not None:
            path.write_text(changed_to, encoding="utf-8")
        summary = run_graph([reading], store=store, runtime=Runtime())
        return store.get(reading.key) if summary.ok else summary.failures[reading.key].message

    return run


@pytest.fixture
def known_rows(source, store):
    run_graph([source], store=store, runtime=Runtime())
    return read_examples(store.get(source.key).path("test.parquet"))


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_all_ways_to_write_a_label_are_read(read, known_rows):
    a, b, c, d = known_rows.ids
    extra = "some other row"
    text = lines(
        [
            {"id": a, "probabilities": [0.25, 0.75]},
            {"id": b, "label": "blunder"},
            {"id": c, "label": 0},
            {"id": d, "probabilities": [0.6, 0.4004], "note": "rounded"},
            {"id": extra, "label": "good"},
        ]
    )
    found = read(text)
    labels = read_labels(found.path("labels.parquet")).take([a, b, c, d, extra])
    expected = [[0.25, 0.75], [0, 1], [1, 0], [0.6 / 1.0004, 0.4004 / 1.0004], [1, 0]]
    np.testing.assert_allclose(labels.dense(), expected, atol=1e-6)
    assert found.outputs["rows"] == 5
    accuracy = np.mean(np.array([1, 1, 0, 0]) == known_rows.truth_N)
    assert found.outputs["test"]["accuracy"] == accuracy
    assert found.outputs["test"]["predicted"] == [1, 1, 0, 0]


def test_parquet_is_read_like_jsonl(read, known_rows, tmp_path):
    rows = [{"id": each, "probabilities": [0.3, 0.7]} for each in known_rows.ids]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    found = read(None, name="labels.parquet")
    np.testing.assert_allclose(read_labels(found.path("labels.parquet")).dense(), [[0.3, 0.7]] * 4, atol=1e-7)


def test_single_precision_probabilities_stay_as_they_are(read, known_rows):
    given_NK = np.random.default_rng(0).dirichlet(np.ones(2), 4).astype(np.float32)
    rows = [{"id": i, "probabilities": p} for i, p in zip(known_rows.ids, given_NK.tolist(), strict=True)]
    labels = read_labels(read(lines(rows)).path("labels.parquet"))
    np.testing.assert_array_equal(labels.dense(), given_NK)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("not json", "row 2: not a JSON object"),
        ("", "row 2: not a JSON object"),
        ("[1, 2]", "row 2: it has no id"),
        ('{"label": 1}', "row 2: it has no id"),
        ('{"id": "x"}', "row 2: it has neither label nor probabilities"),
        ('{"id": "x", "label": "godd"}', "row 2: the label 'godd' is none of the 2 options"),
        ('{"id": "x", "label": 2}', "row 2: the label 2 is none"),
        ('{"id": "x", "label": -1}', "row 2: the label -1 is none"),
        ('{"id": "x", "label": true}', "row 2: the label True is none"),
        ('{"id": "x", "label": 0.5}', "row 2: the label 0.5 is none"),
        ('{"id": "x", "label": ["good"]}', "row 2: the label ['good'] is none"),
        ('{"id": "x", "probabilities": [0.5, 0.4]}', "row 2: probabilities add up to 0.9000"),
        ('{"id": "x", "probabilities": [1.0]}', "row 2: probabilities must be 2 numbers"),
        ('{"id": "x", "probabilities": [0.2, 0.3, 0.5]}', "row 2: probabilities must be 2 numbers"),
        ('{"id": "x", "probabilities": [1.5, -0.5]}', "row 2: probabilities must be 2 numbers"),
        ('{"id": "x", "probabilities": [NaN, 1.0]}', "row 2: probabilities must be 2 numbers"),
        ('{"id": "x", "probabilities": "high"}', "row 2: probabilities must be 2 numbers"),
        ('{"id": "x", "probabilities": [[1], [0, 0]]}', "row 2: probabilities must be 2 numbers"),
        ('{"id": "first", "label": 1}', "row 2: the id 'first' stands in row 1 already"),
    ],
)
def test_a_bad_row_is_named(read, row, message):
    found = read('{"id": "first", "label": 1}\n' + row + '\n{"id": "last", "label": 1}\n')
    assert isinstance(found, str)
    assert "labels.jsonl" in found
    assert message in found


def test_an_empty_file_is_refused(read):
    assert "labels.jsonl has no rows" in read("")


def test_a_file_without_the_known_rows_is_refused(read, known_rows):
    rows = [{"id": each, "label": 1} for each in known_rows.ids[1:]]
    message = read(lines(rows))
    assert f"has no label for 1 of the 4 test rows, such as {known_rows.ids[0]!r}" in message


def test_a_file_that_changed_after_planning_is_refused(read):
    assert "has changed since the study was planned" in read(
        '{"id": "a", "label": 1}\n', changed_to='{"id": "a", "label": 0}\n'
    )
