"""Examples and labels come back from Parquet as they were written."""

import numpy as np
import pytest

from outgrow.examples import Examples, Labels
from outgrow.tables import read_examples, read_labels, write_examples, write_labels


@pytest.mark.parametrize("num", [0, 3])
def test_examples_come_back(tmp_path, num):
    names = tuple(f"é {i}" for i in range(num))
    rows = Examples(names, names[::-1], tuple(f"Ke1 ?\n{i}" for i in range(num)), np.arange(num) + 1_900)
    write_examples(tmp_path / "rows.parquet", rows)
    found = read_examples(tmp_path / "rows.parquet")
    assert (found.ids, found.groups, found.texts) == (rows.ids, rows.groups, rows.texts)
    assert found.truth_N.tolist() == rows.truth_N.tolist()
    assert found.truth_N.dtype == np.int64


@pytest.mark.parametrize("num_options", [2, 1_968])
def test_labels_come_back_to_the_last_bit(tmp_path, num_options):
    rng = np.random.default_rng(0)
    probabilities_NK = rng.dirichlet(np.full(num_options, 0.1), 7).astype(np.float32)
    for labels in (
        Labels.from_dense([f"row {i}" for i in range(7)], probabilities_NK),
        Labels.from_dense([f"row {i}" for i in range(7)], probabilities_NK).hard(),
    ):
        write_labels(tmp_path / "labels.parquet", labels)
        found = read_labels(tmp_path / "labels.parquet")
        assert (found.ids, found.num_options) == (labels.ids, num_options)
        np.testing.assert_array_equal(found.dense(), labels.dense())
        np.testing.assert_array_equal(found.predicted(), labels.predicted())


def test_the_same_rows_give_the_same_bytes(tmp_path):
    labels = Labels.from_dense(["a"], np.array([[0.25, 0.75]], np.float32))
    for name in "xy":
        write_labels(tmp_path / name, labels)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
