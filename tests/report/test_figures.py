import json
import math
from dataclasses import replace
from importlib.util import find_spec

import pytest

from outgrow.errors import UsageError
from outgrow.report import export, style, write_figures
from outgrow.report.curves import curve_figures, kept_curves
from outgrow.report.export import figures_of, printable
from outgrow.report.figures import size_figures
from outgrow.report.panels import agreement_figure, arranged
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


def test_models_of_almost_equal_size_stand_apart_in_order():
    places = style.apart({"b": 1_050_000, "a": 1_000_000, "c": 100_000_000})
    assert (places["a"], places["c"]) == (1_000_000, 100_000_000)
    assert math.log10(places["b"] / places["a"]) == pytest.approx(2 * style.LEAST_APART)
    assert style.apart({"a": 10, "b": 1_000}) == {"a": 10, "b": 1_000}
    assert style.apart({}) == {}


def test_one_method_has_a_colour_for_each_supervisor(rows, sizes):
    found = figure([row for row in rows if row["method"] == "confidence"], sizes, "accuracy")
    colours = {trace["name"]: trace["line"]["color"] for trace in found.data}
    assert colours["confidence from small"] == colours["weak: small"]
    assert colours["confidence from small"] != colours["confidence from middle"]


def test_many_lines_are_taken_apart_by_method_for_paper(results, monkeypatch):
    monkeypatch.setattr(export, "MOST_LINES", 3)
    found = [each for each in figures_of(results) if each.task == "chess-puzzle" and each.kind == "accuracy"]
    assert [each.variant["method"] for each in found] == ["naive-hard", "confidence"]
    assert {trace["meta"].get("method") for trace in found[1].data} == {"confidence", None}
    assert results.plot_scaling().layout.title.text.endswith("naive-hard, chess-puzzle")


def test_agreement_of_all_tasks_has_a_panel_each_and_both_kinds_of_answers(wide):
    pooled = [row for row in all_rows(wide) if row["seed"] is None]
    found = agreement_figure(pooled, wide.plan.sizes)
    assert [each["title"] for each in found.panels] == [
        "chess-preference, 1 epoch",
        "chess-puzzle, naive-hard",
        "chess-blunder",
    ]
    drawn = [trace for trace in found.data if "panel" in trace["meta"]]
    assert len(drawn) == 3 * 2 * 2
    row = next(row for row in pooled if (row["task"], row["supervisor"]) == ("chess-blunder", "small"))
    right = next(t for t in drawn if (t["meta"]["panel"], t["meta"]["supervisor"]) == (2, "small"))
    assert right["y"][0] == row["agreement"][1]
    data, layout = arranged(found)
    assert {trace["xaxis"] for trace in data} == {"x", "x2", "x3"}
    assert layout["xaxis2"]["domain"][0] > layout["xaxis"]["domain"][1]
    assert [panel["task"] for panel in agreement_figure(pooled, wide.plan.sizes, method="confidence").panels] == [
        "chess-preference, 1 epoch",
        "chess-blunder",
    ]


def test_curves_are_means_over_seeds_against_the_share_of_training(wide):
    pooled = [row for row in all_rows(wide) if row["seed"] is None]
    curves = kept_curves(wide, pooled)
    of_task = [row for row in pooled if row["task"] == "chess-blunder"]
    accuracy, followed = curve_figures(of_task, curves)
    line = next(t for t in accuracy.data if t["meta"].get("method") == "naive" and "panel" in t["meta"])
    assert line["x"] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert line["y"] == pytest.approx([0.55, 0.6, 0.65, 0.6, 0.55], abs=0.01)
    assert line["customdata"][0] == ["middle", "2 seeds"]
    ceilings = [t for t in accuracy.data if t["name"] == "ceiling" and "panel" in t["meta"]]
    assert len(ceilings) == len(accuracy.panels) == 4
    assert ceilings[0]["line"]["dash"] == "dash"
    assert followed.data[-1]["y"] == pytest.approx([0.5, 0.58, 0.66, 0.74, 0.82])
    assert all("chose nothing" in each.note for each in (accuracy, followed))
    assert curve_figures([row for row in pooled if row["task"] == "chess-puzzle"], curves) == []


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
