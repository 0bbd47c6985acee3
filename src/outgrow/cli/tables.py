"""Comparisons as tables that fit 80 columns.

What all methods of a pair share (weak, zero-shot, ceiling) stands in the pair's own line; an interval stands under
its value. So nothing is left out, and a row is as wide as a terminal.
"""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from outgrow.cli.output import WIDTH, bullet, table
from outgrow.metrics import Estimate, PgrInterval, Summary
from outgrow.numerals import percent, plural, signed, span
from outgrow.results import Comparison, Results
from outgrow.words import NATURAL, task_notes

CAPTION = (
    "All figures in percent, 95% intervals below them. Agreement is with the supervisor's answers: on all test rows, "
    "where the supervisor is right, where it is wrong."
)
METHOD_WIDTH = 15
MOST_SHOWN = 48
"""Of more comparisons than this the tables would scroll past."""


def comparison_tables(results: Results) -> Iterator[RenderableType]:
    """Yield what shows a study: per task a heading, per pair its shared figures and a table of methods.

    Of a large study only the headings, and where the tables are.
    """
    comparisons = results.comparisons
    small = len(comparisons) <= MOST_SHOWN
    if comparisons and small:
        yield Text(CAPTION, style="dim")
    for task, of_task in groupby(comparisons, key=lambda each: each.task):
        rows = list(of_task)
        yield _heading(results, task, rows, explained=small)
        for _, of_pair in groupby(rows, key=lambda each: (each.supervisor, each.student, each.seeds)):
            if small:
                pair = list(of_pair)
                yield Text("\n").append_text(_pair_line(pair[0]))
                yield _methods_table(pair)
    if not small:
        told = (
            f"{len(comparisons)} comparisons are too many to list here. The page of the study has them all, and so has"
        )
        yield Text(f"\n{bullet(told, mark='')}\noutgrow report STUDY --table FILE.md (or .csv, .parquet, .tex)")


def _heading(results: Results, task: str, rows: Sequence[Comparison], *, explained: bool) -> Text:
    """Return a task's name, how many rows it is tested on, what else is to be known of them, and of its tables."""
    notes = task_notes(results, task)
    natural = results.plan.tasks[task].natural
    if explained and rows[0].natural and natural:
        notes.append(f"In parentheses: {NATURAL[natural]}.")
    line = Text.assemble("\n", (task, "bold"), f"  {_num_test_rows(rows[0])} test rows")
    for each in notes:
        line.append("\n" + bullet(each, mark="  "), style="dim")
    return line


def _num_test_rows(comparison: Comparison) -> str:
    return f"{comparison.agreement.num_rows // len(comparison.seeds):,}"


def _pair_line(first: Comparison) -> Text:
    summary = first.summary
    zero_shot = percent(summary.zero_shot.mean) if summary.zero_shot else "none"
    line = Text(f"{first.supervisor} -> {first.student}", style="bold")
    figures = (
        ("weak", percent(summary.weak.mean) + _natural(first, "weak")),
        ("zero-shot", zero_shot + _natural(first, "zero_shot")),
        ("ceiling", percent(summary.ceiling.mean) + _natural(first, "ceiling")),
    )
    told = Text()
    for name, value in figures:
        told.append(f"   {name} ", style="not bold dim").append(value, style="not bold")
    told.append(f"   {seeds_told(first)}", style="not bold dim")
    return line.append("" if len(line) + len(told) <= WIDTH else "\n").append_text(told)


def _natural(each: Comparison, role: str) -> str:
    """Return the second figure of a model in parentheses, where there is one."""
    return f" ({percent(each.natural[role])})" if role in each.natural else ""


def seeds_told(comparison: Comparison) -> str:
    """Return how many seeds a comparison has, and which are missing."""
    if not comparison.missing_seeds:
        return plural(len(comparison.seeds), "seed")
    return f"{len(comparison.seeds)} of {len(comparison.seeds) + len(comparison.missing_seeds)} seeds"


def _methods_table(pair: list[Comparison]) -> Table:
    floor = pair[0].summary.floor_name
    headers = (
        "method",
        "student",
        f"gain over\n{floor}",
        "PGR",
        "net PGR",
        "agree\nall",
        "where\nright",
        "where\nwrong",
    )
    made = table(*headers, right=headers[1:])
    # One space between columns: the widest intervals then still fit.
    made.padding = (0, 0, 0, 0)
    made.columns[0].width = METHOD_WIDTH
    for column, width in zip(made.columns[2:4], (14, 15), strict=True):
        column.min_width = width
    for each in pair:
        made.add_row(*_cells(each))
    return made


def _cells(each: Comparison) -> list[RenderableType]:
    summary, agreement = each.summary, each.agreement
    shares = (agreement.overall, agreement.where_right, agreement.where_wrong)
    return [
        "\n".join(textwrap.wrap(each.method, METHOD_WIDTH)),
        f"{percent(summary.student.mean)}\n{_natural(each, 'student').strip()}".rstrip(),
        _gain(summary.gain),
        _pgr(summary),
        _net_pgr(summary.net_pgr),
        *map(percent, shares),
    ]


def _gain(gain: Estimate) -> Text:
    style = "green" if gain.low > 0 else "red" if gain.high < 0 else ""
    return Text.assemble((signed(gain.mean), style), (f"\n{_span(gain.low, gain.high)}", "dim"))


def _span(low: float, high: float) -> str:
    """Return an interval; decimals would not fit, nor mean anything, where an end is far away."""
    return f"[{100 * low:,.0f}, {100 * high:,.0f}]" if max(abs(low), abs(high)) >= 1 else span(low, high)


def _pgr(summary: Summary) -> Text:
    pgr = summary.pgr
    if summary.ceiling.mean <= summary.weak.mean:  # two losses would make a ratio that reads as a success
        return Text("no gap", style="yellow")
    if pgr.bounded and pgr.low is not None and pgr.high is not None:
        below = _span(pgr.low, pgr.high)
    else:
        below = "undefined" if pgr.kind == "nothing" else "unbounded"
    return Text.assemble(percent(pgr.pgr), (f"\n{below}", "dim" if pgr.bounded else "yellow"))


def _net_pgr(pgr: PgrInterval | None) -> Text:
    if pgr is None:
        return Text("none")
    return Text(percent(pgr.pgr)) if pgr.bounded else Text("unb.", style="yellow")
