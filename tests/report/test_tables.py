import csv

import pyarrow.parquet as pq
import pytest

from outgrow.errors import UsageError
from outgrow.report import write_table


def test_csv_and_parquet_hold_every_figure(results, tmp_path):
    expected = results.table()
    with write_table(results, tmp_path / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    stored = pq.ParquetFile(write_table(results, tmp_path / "table.parquet")).read().to_pylist()
    assert [row["method"] for row in rows] == [row["method"] for row in stored] == [row["method"] for row in expected]
    assert float(rows[0]["gain_low"]) == stored[0]["gain_low"] == expected[0]["gain_low"]
    assert stored[0]["warnings"] == expected[0]["warnings"]
    assert rows[0]["warnings"] == "; ".join(expected[0]["warnings"])


def test_markdown_is_a_table_of_equal_rows(results, tmp_path):
    text = write_table(results, tmp_path / "table.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(results.comparisons)
    assert len({line.count("|") for line in lines}) == 1
    assert "small → middle" in lines[2]
    assert "50.0 [" in lines[2]


def test_latex_escapes_what_it_would_read(results, tmp_path, monkeypatch):
    rows = [row | {"supervisor": "50%_of {it} & \\more"} for row in results.table()[:1]]
    monkeypatch.setattr(type(results), "table", lambda self: rows)
    text = write_table(results, tmp_path / "table.tex").read_text(encoding="utf-8")
    assert r"50\%\_of \{it\} \& \textbackslash{}more $\rightarrow$ middle" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


def test_another_suffix_is_refused_with_those_there_are(results, tmp_path):
    with pytest.raises(UsageError, match=r"\.csv, \.parquet, \.md, \.tex"):
        write_table(results, tmp_path / "table.xls")
