"""Examples and labels as Parquet tables. The only place that knows their columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.examples import Examples, Labels
from outgrow.free_text import TextLabels


def write_examples(path: Path, examples: Examples) -> None:
    """Write id, group, text and truth, one row an example; completions, margins and answers where there are any."""
    columns: dict[str, Any] = {
        "id": list(examples.ids),
        "group": list(examples.groups),
        "text": list(examples.texts),
        "truth": pa.array(examples.truth_N, pa.int64() if examples.answers else pa.int32()),
    }
    if examples.answers:
        columns["answer"] = list(examples.answers)
    if examples.completions:
        columns["completions"] = pa.array(examples.completions, pa.list_(pa.string()))
    if examples.margins:
        columns["margin"] = pa.array(examples.margins, pa.float64())
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_examples(path: Path) -> Examples:
    """Read what `write_examples` wrote."""
    # Neither by read_table nor by to_numpy, which import pandas: what shows finished results must start quickly.
    table = pq.ParquetFile(path).read()
    ids, groups, texts = (tuple(table[name].to_pylist()) for name in ("id", "group", "text"))
    named = "completions" in table.column_names
    completions = tuple(map(tuple, table["completions"].to_pylist())) if named else ()
    margins = tuple(table["margin"].to_pylist()) if "margin" in table.column_names else ()
    answers = tuple(table["answer"].to_pylist()) if "answer" in table.column_names else ()
    return Examples(ids, groups, texts, np.array(table["truth"].to_pylist(), np.int64), completions, margins, answers)


def write_texts(path: Path, labels: TextLabels) -> None:
    """Write id and text: labels that are free text."""
    pq.write_table(pa.table({"id": list(labels.ids), "text": list(labels.texts)}), path, compression="zstd")


def read_texts(path: Path) -> TextLabels:
    """Read what `write_texts` wrote; imports no pandas."""
    table = pq.ParquetFile(path).read()
    return TextLabels(tuple(table["id"].to_pylist()), tuple(table["text"].to_pylist()))


def write_labels(path: Path, labels: Labels) -> None:
    """Write id, the stored options and their probabilities; the number of options goes into the metadata."""
    columns = {
        "id": list(labels.ids),
        "options": pa.array(list(labels.options_NT), pa.list_(pa.int32())),
        "probabilities": pa.array(list(labels.probabilities_NT), pa.list_(pa.float32())),
    }
    table = pa.table(columns).replace_schema_metadata({"num_options": str(labels.num_options)})
    pq.write_table(table, path, compression="zstd")


def read_labels(path: Path) -> Labels:
    """Read what `write_labels` wrote; imports no pandas."""
    table = pq.ParquetFile(path).read()
    num_options = int((table.schema.metadata or {})[b"num_options"])
    ids = tuple(table["id"].to_pylist())
    options_NT, probabilities_NT = (
        _rectangle(table[name], kind) for name, kind in (("options", np.int32), ("probabilities", np.float32))
    )
    return Labels(ids, options_NT, probabilities_NT, num_options)


def _rectangle(column: pa.ChunkedArray, kind: type[np.generic]) -> np.ndarray:
    """Return a column of lists of one length as values_NT."""
    parts = [_values(chunk, kind).reshape(len(chunk), -1) for chunk in column.chunks if len(chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, 1), kind)


def _values(lists: pa.ListArray, kind: type[np.generic]) -> np.ndarray:
    # The buffers themselves: pyarrow's own ways to numpy import pandas, and its lists are slow to make.
    flat = lists.flatten()
    return np.frombuffer(flat.buffers()[1], kind)[flat.offset : flat.offset + len(flat)]


def read_confidence(path: Path) -> dict[str, float]:
    """Return by id the probability of the most probable option, from what `write_labels` wrote; imports no pandas."""
    table = pq.ParquetFile(path).read(columns=["id", "probabilities"])
    found: dict[str, float] = {}
    for batch in table.to_batches():
        lists = batch.column("probabilities")
        # The buffers themselves: pyarrow's own ways to numpy import pandas, and its lists are slow to make.
        starts_N = np.frombuffer(lists.buffers()[1], np.int32)[lists.offset : lists.offset + len(lists)]
        values = np.frombuffer(lists.values.buffers()[1], np.float32)[lists.values.offset :]
        found |= zip(batch.column("id").to_pylist(), values[starts_N].tolist(), strict=True)
    return found
