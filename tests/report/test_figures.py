import json
from dataclasses import replace
from importlib.util import find_spec

import pytest

from outgrow.errors import UsageError
from outgrow.report import export, write_figures
from outgrow.report.export import figures_of, printable
from outgrow.report.figures import size_figures
from outgrow.report.rows import all_rows


@pytest.fixture
def rows(results):
    return [row for row in all_rows(results) if row["seed"] is None and row["task"] == "chess-puzzle"]


@pytest.fixture
def sizes(results):
    return results.plan.sizes


def figure(rows, sizes, kind):
    return next(each for each in size_figures(rows, sizes) if each.kind == kind)


def named(figure, name):
    return next(trace for trace in figure.data if trace.get("name") == name)


def test_accuracy_has_a_line_for_each_supervisor_and_method_and_the_three_references(rows, sizes):
    found = figure(rows, sizes, "accuracy")
    lines = {f"{method} from {name}" for method in ("naive-hard", "confidence") for name in ("small", "middle")}
    assert {trace["name"] for trace in found.data} == lines | {"weak: small", "weak: middle", "ceiling", "zero-shot"}
    line = named(found, "naive-hard from small")
    assert line["y"] == pytest.approx([0.65, 0.65], abs=0.01)
    assert [point[0] for point in line["customdata"]] == ["middle", "large"]
    row = next(row for row in rows if row["supervisor"] == "small" and row["student"] == "middle")
    mean, low, high = row["accuracy"]
    assert (line["error_y"]["array"][0], line["error_y"]["arrayminus"][0]) == pytest.approx((high - mean, mean - low))
    assert named(found, "weak: small")["y"] == [0.5, 0.5, 0.5]
    assert sizes["small"] in named(found, "weak: small")["x"]


def test_the_axis_is_logarithmic_with_a_tick_for_each_model(rows, sizes):
    axis = figure(rows, sizes, "accuracy").layout["xaxis"]
    assert (axis["type"], axis["tickvals"], axis["ticktext"]) == (
        "log",
        [1_000, 20_000, 300_000],
        ["small", "middle", "large"],
    )


def test_an_unbounded_pgr_is_an_open_mark_without_interval_and_one_far_off_stands_at_the_edge(rows, sizes):
    changed = [row | {"pgr": {"value": 40.0, "low": None, "high": None, "kind": "everything"}} for row in rows]
    found = figure(changed, sizes, "pgr")
    line = found.data[0]
    assert line["y"] == [2.0, 2.0]
    assert line["marker"]["symbol"] == ["triangle-up-open"] * 2
    assert line["error_y"]["array"] == [0.0, 0.0]
    assert "beyond the axis" in found.alt
    assert "4,000% unbounded" in found.alt


def test_words_tell_what_a_figure_shows(rows, sizes):
    alt = figure(rows, sizes, "accuracy").alt
    assert "supervisor small 50.0%" in alt
    assert "ceiling: " in alt
    assert "middle 80.0%" in alt


def test_a_hostile_name_is_text_to_plotly(rows, sizes):
    evil = '<a href="javascript:alert(1)">x</a>'
    found = size_figures([row | {"supervisor": evil} for row in rows], sizes)
    assert "<a " not in json.dumps([trace.get("name", "") for each in found for trace in each.data])


def test_every_figure_has_a_name_of_its_own_and_colours_for_paper(results):
    figures = figures_of(results)
    assert len({each.name for each in figures}) == len(figures)
    assert not any('"@' in json.dumps(printable(each)) for each in figures)


def test_a_figure_without_kaleido_says_what_to_install(results, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"outgrow\[figures\]"):
        write_figures(results, tmp_path)


def test_nothing_to_draw_is_refused(results, tmp_path):
    with pytest.raises(UsageError, match="nothing to draw"):
        write_figures(replace(results, store=type(results.store)(tmp_path)), tmp_path)


@pytest.mark.browser
@pytest.mark.usefixtures("browser")
@pytest.mark.skipif(find_spec("kaleido") is None, reason="needs kaleido")
def test_figures_are_written_as_svg_and_png(results, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "figures_of", lambda results: figures_of(results)[:1])
    svg, png = write_figures(results, tmp_path)
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_results_give_the_figure_to_python(results):
    found = results.plot_scaling("chess-blunder")
    assert "chess-blunder" in found.layout.title.text
    assert {trace.name for trace in results.plot_scaling().data} > {"ceiling", "zero-shot"}
    with pytest.raises(UsageError, match="did you mean chess-puzzle"):
        results.plot_scaling("chess-puzle")
