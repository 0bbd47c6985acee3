import numpy as np
import pytest

from outgrow.report import examples
from outgrow.report.examples import sample, task_examples


@pytest.fixture
def masks():
    """Return four lists of which one has three rows only."""
    kinds = np.array([0] * 3 + [1] * 400 + [2] * 300 + [3] * 297)
    return [kinds == kind for kind in range(4)]


def test_a_sample_shows_every_kind_of_row(masks):
    ids = [f"row-{i}" for i in range(1_000)]
    rows = sample(ids, iter(masks), 40)
    assert rows == sorted(set(rows))
    assert [int(mask[rows].sum()) for mask in masks] == [3, 13, 12, 12]


def test_a_sample_depends_on_the_ids_alone(masks):
    ids = [f"row-{i}" for i in range(1_000)]
    taken = {ids[row] for row in sample(ids, iter(masks), 40)}
    turned = [mask[::-1] for mask in masks]
    assert {ids[::-1][row] for row in sample(ids[::-1], iter(turned), 40)} == taken


def test_all_rows_are_taken_where_they_fit(masks):
    ids = [f"row-{i}" for i in range(1_000)]
    assert sample(ids, iter(masks), 2_000) == list(range(1_000))


def test_examples_fit_into_their_room(results):
    cells = [cell for cell in results.plan.cells if cell.task == "chess-puzzle"]
    ids = {(cell.task, cell.supervisor, cell.student, cell.method): "c0" for cell in cells}
    task = results.plan.tasks["chess-puzzle"]
    whole = task_examples(task, cells, ids, results.store, room=10**6)
    small = task_examples(task, cells, ids, results.store, room=len(whole["blob"]) // 2)
    assert len(small["blob"]) <= len(whole["blob"]) // 2
    assert 10 <= small["shown"] < whole["shown"] == 120


def test_a_long_text_is_cut_and_marked(results, monkeypatch):
    monkeypatch.setattr(examples, "LONGEST_TEXT", 3)
    assert examples._shortened("abcdef") == "abc [...]"
