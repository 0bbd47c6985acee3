"""What results tell of single rows: every model's answer and probabilities, by id, from the store alone."""

import subprocess
import sys

import numpy as np
import pytest

import outgrow
from outgrow.errors import StepError
from outgrow.plan import make_plan
from outgrow.results import Results
from outgrow.tables import read_labels


@pytest.fixture
def results(tiny_study, store):
    return outgrow.run(tiny_study("chess-puzzle", methods=("naive",), seeds=(0, 1)), store=store.root)


def test_columns_agree_with_the_records(results):
    assert [cell.seed for cell in results.cells] == [0, 1]
    (comparison,) = results.comparisons
    shares = []
    for cell in results.cells:
        found = results.predictions(cell)
        assert {len(column) for column in found.values()} == {60}
        assert len(set(found["id"])) == 60
        assert all(text.endswith("?") for text in found["text"])
        right = [a == b for a, b in zip(found["student"], found["truth"], strict=True)]
        assert "".join("01"[each] for each in right) == results.store.get(cell.result.key).outputs["test"]["correct"]
        shares.append(np.mean(right))
    assert comparison.summary.student.mean == pytest.approx(np.mean(shares))


def test_probabilities_are_those_of_the_store_most_probable_first(results):
    cell = results.cells[0]
    found = results.predictions(cell)
    labels = read_labels(results.store.get(cell.weak.key).path("test.parquet")).take(found["id"])
    for i, told in enumerate(found["weak_probabilities"]):
        assert list(told.values()) == labels.probabilities_NT[i].tolist()
        assert list(told.values()) == sorted(told.values(), reverse=True)
        assert next(iter(told)) == found["weak"][i]
    assert {"ceiling", "zero_shot", "zero_shot_probabilities"} <= set(found)


def test_a_task_without_zero_shot_has_no_such_column(tiny_study, store):
    results = outgrow.run(tiny_study(), store=store.root)
    found = results.predictions(results.cells[0])
    assert "zero_shot" not in found
    assert set(found["truth"]) == {"good", "blunder"}


def test_a_cell_that_is_not_finished_is_named(tiny_study, store):
    plan = make_plan(tiny_study())
    results = Results(plan, store)
    assert results.cells == []
    with pytest.raises(StepError, match="tiny-8 -> tiny-16, naive, seed 0 is not finished"):
        results.predictions(plan.cells[0])


def test_reading_labels_imports_no_pandas(results, tmp_path):
    path = results.store.get(results.cells[0].weak.key).path("test.parquet")
    program = (
        "import sys, pathlib\n"
        "from outgrow.tables import read_labels\n"
        f"assert len(read_labels(pathlib.Path({str(path)!r}))) == 60\n"
        "sys.exit(','.join(name for name in ('pandas', 'torch') if name in sys.modules) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
