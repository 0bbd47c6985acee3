"""The table of comparisons as a file: CSV and Parquet with every figure, Markdown and LaTeX as a person reads it."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from outgrow.errors import UsageError
from outgrow.numerals import percent, signed, span
from outgrow.results import Results

Plain: TypeAlias = dict[str, Any]
READ_OFF = ("task", "pair", "method", "weak", "zero-shot", "student", "ceiling", "gain", "PGR", "net PGR", "agreement")
CAPTION = (
    "All figures in percent, 95% intervals in brackets. Gain is over the floor, the better of weak and zero-shot. "
    "Agreement with the supervisor: all / where it is right / where it is wrong."
)
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
}


def write_table(results: Results, path: Path) -> Path:
    """Write the table of comparisons in the format of the file's suffix; UsageError for any other suffix."""
    if path.suffix not in WRITERS:
        raise UsageError(f"{path.name} has no format of a table: end it in {', '.join(WRITERS)}")
    rows = results.table()
    if not rows:
        raise UsageError(f"no comparison of {results.plan.study.name} is finished, so there is no table")
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[path.suffix](rows, path)
    return path


def _write_csv(rows: Sequence[Plain], path: Path) -> None:
    columns = _columns(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({**row, "warnings": "; ".join(row["warnings"])} for row in rows)


def _write_parquet(rows: Sequence[Plain], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in _columns(rows)}), path)


def _columns(rows: Sequence[Plain]) -> list[str]:
    """Return every column of any row: tasks differ in their diagnostics."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _write_markdown(rows: Sequence[Plain], path: Path) -> None:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"

    rule = "|" + "|".join(["---"] * 3 + ["---:"] * (len(READ_OFF) - 3)) + "|"
    lines = [line(READ_OFF), rule, *(line(_cells(row)) for row in rows), "", CAPTION, ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _write_latex(rows: Sequence[Plain], path: Path) -> None:
    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(LATEX.get(c, c) for c in each) for each in cells) + r" \\"

    lines = [
        "% needs \\usepackage{booktabs}",
        "% " + CAPTION,
        r"\begin{tabular}{lll" + "r" * (len(READ_OFF) - 3) + "}",
        r"\toprule",
        line(READ_OFF),
        r"\midrule",
        *(line(_cells(row)) for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _cells(row: Plain) -> list[str]:
    agreement = (row["agreement"], row["agreement_where_right"], row["agreement_where_wrong"])
    return [
        row["task"],
        f"{row['supervisor']} → {row['student']}",
        row["method"],
        _estimate(row, "weak"),
        percent(row["zero_shot"]),
        _estimate(row, "student_accuracy"),
        _estimate(row, "ceiling"),
        f"{signed(row['gain'])} {span(row['gain_low'], row['gain_high'])}",
        _ratio(row, "pgr"),
        _ratio(row, "net_pgr"),
        " / ".join(percent(each) for each in agreement),
    ]


def _estimate(row: Plain, name: str) -> str:
    return f"{percent(row[name])} {span(row[f'{name}_low'], row[f'{name}_high'])}"


def _ratio(row: Plain, name: str) -> str:
    if row[name] is None:
        return "none"
    interval = span(row[f"{name}_low"], row[f"{name}_high"]) if row[f"{name}_bounded"] else "[unbounded]"
    return f"{percent(row[name])} {interval}"


WRITERS: dict[str, Callable[[Sequence[Plain], Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".md": _write_markdown,
    ".tex": _write_latex,
}
"""How to write each format, by suffix."""
