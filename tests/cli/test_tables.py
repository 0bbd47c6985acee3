import io
from dataclasses import replace

import pytest
from rich.console import Console

from outgrow.cli import tables
from outgrow.cli.output import WIDTH, bullet
from outgrow.cli.tables import comparison_tables
from outgrow.numerals import duration, percent, short_number, signed, size
from outgrow.results import Results


def printed(results):
    file = io.StringIO()
    console = Console(file=file, width=WIDTH, markup=False, highlight=False)
    for part in comparison_tables(results):
        console.print(part)
    return file.getvalue()


def test_every_figure_of_a_comparison_stands_in_its_rows(study, store, fill):
    results = Results(fill({"naive": 0.7, "confidence": 0.6}), store)
    text = printed(results)
    blunder = text[text.index("chess-blunder") :]
    naive = blunder[blunder.index("\nnaive ") :].splitlines()[1:3]
    each = next(each for each in results.comparisons if each.method == "naive")
    shares = (each.agreement.overall, each.agreement.where_right, each.agreement.where_wrong)
    assert naive[0].split() == ["naive", "70.0", "+20.0", "66.7", "66.7", *map(percent, shares)]
    assert naive[1].count("[") == 2
    assert "weak 50.0" in blunder
    assert "zero-shot none" in blunder
    assert "ceiling 80.0" in blunder
    assert "3 seeds" in blunder
    assert "400 test rows" in blunder


def test_the_floor_is_named(study, store, fill):
    text = printed(Results(fill({"zero-shot": 0.6}), store))
    puzzle, blunder = text.split("chess-blunder")
    assert "gain over" in puzzle
    assert puzzle.count("student      zero-shot") == 2
    assert "student           weak" in blunder


@pytest.mark.parametrize("accuracies", [{}, {"ceiling": 0.505}, {"ceiling": 0.5}, {"ceiling": 0.51, "naive": 0.2}])
def test_tables_fit_eighty_columns_whatever_the_figures(study, store, accuracies, fill):
    text = printed(Results(fill(accuracies), store))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.count("unbounded") + text.count("no gap") == (6 if accuracies else 0)
    assert ("no gap" in text) == (accuracies == {"ceiling": 0.5})


def test_missing_seeds_are_said_to_be_missing(study, store, fill):
    plan = fill(skip=lambda step: step.title == "naive middle, chess-blunder, seed 2")
    text = printed(Results(plan, store))
    assert "2 of 3 seeds" in text
    assert text.count("3 seeds") == 4


def test_nothing_finished_prints_nothing(study, store, fill):
    assert printed(Results(fill(skip=lambda step: True), store)) == ""


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (percent(0.1234), "12.3"),
        (percent(-0.0001), "0.0"),
        (percent(None), "none"),
        (percent(float("nan")), "none"),
        (percent(-123.4), "-12,340"),
        (signed(0.0), "+0.0"),
        (signed(-0.02), "-2.0"),
        (size(999), "999 bytes"),
        (size(2_500_000), "2.5 MB"),
        (duration(3.21), "3.2 s"),
        (duration(59.9), "60 s"),
        (duration(3 * 3600 + 65), "3 h 01 min"),
        (short_number(1234567), "1,234,567"),
    ],
)
def test_numbers_look_as_they_should(told, expected):
    assert told == expected


def test_an_interval_is_never_broken_over_two_lines():
    for width in range(20, 60):
        lines = bullet("one two three four [1.0, 2.0] five six seven [3.0, 4.0]", width=width).splitlines()
        assert all(line.count("[") == line.count("]") for line in lines)


def test_a_large_study_says_where_its_tables_are(study, store, fill, monkeypatch):
    monkeypatch.setattr(tables, "MOST_SHOWN", 5)
    text = printed(Results(fill(), store))
    assert "6 comparisons are too many" in text
    assert "outgrow report STUDY --table" in text
    assert "400 test rows" in text
    assert "small ->" not in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_second_figure_stands_in_parentheses_and_is_explained(study, store, fill):
    results = Results(fill(), store)
    natural = {"weak": 0.31, "student": 0.42, "ceiling": 0.53}
    results.__dict__["comparisons"] = [replace(each, natural=natural) for each in results.comparisons]
    task = results.plan.tasks["chess-blunder"]
    results.plan.tasks["chess-blunder"] = replace(task, natural="question")
    blunder = printed(results).split("chess-blunder")[1]
    assert "weak 50.0 (31.0)" in blunder
    assert "ceiling 80.0 (53.0)" in blunder
    assert blunder.count("(42.0)") == 2
    assert "right answer scores highest" in blunder
    assert max(map(len, blunder.splitlines())) <= WIDTH
