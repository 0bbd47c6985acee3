"""The page in a real browser: all is drawn, filters and search work, nothing is fetched, data stays text."""

import json
from pathlib import Path

import pytest

from outgrow.report import write_report

from .conftest import EVIL, made_up

pytestmark = pytest.mark.browser
WIDTHS = (1280, 390)
LOAD_SECONDS, BUSY = 2.0, 10
"""The bar, and how much slower a machine may be that does other things; benchmarks/report_load.py measures."""


class Seen:
    """What must not happen on a page: errors in its console, requests, dialogs."""

    def __init__(self, page):
        self.errors, self.requests, self.dialogs = [], [], []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def nothing_bad(self):
        away = [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]
        return (self.errors, away, self.dialogs) == ([], [], [])


@pytest.fixture(params=WIDTHS)
def page(request, browser, page_path):
    """Return the open page, and check after the test that nothing bad happened on it."""
    yield from opened(browser, page_path, request.param)


@pytest.fixture(params=WIDTHS)
def wide_page(request, browser, wide_path):
    """Return the open page of the larger study, and check after the test that nothing bad happened on it."""
    yield from opened(browser, wide_path, request.param)


def opened(browser, path, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    seen = Seen(page)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert seen.nothing_bad(), (seen.errors, seen.requests, seen.dialogs)


def draw_all(page):
    for figure in page.query_selector_all("#panels figure"):
        figure.scroll_into_view_if_needed()
        page.wait_for_function("each => each.dataset.drawn || each.dataset.failed", arg=figure, timeout=60_000)


def open_examples(page):
    page.locator("#browser").scroll_into_view_if_needed()
    page.wait_for_selector("#cards .card")


def press(page, group, text):
    page.locator(f'#filters [data-filter="{group}"] button', has_text=text).first.click()


def rows_shown(page):
    return page.locator("#table tbody tr[data-comparison]").count()


def test_every_figure_is_drawn_and_nothing_is_wider_than_the_page(page):
    draw_all(page)
    open_examples(page)
    figures = page.query_selector_all("#panels figure")
    assert len(figures) == 9
    for figure in figures:
        assert figure.get_attribute("data-failed") is None
        assert figure.query_selector(".plot .main-svg") is not None
        assert len(figure.query_selector(".plot").get_attribute("aria-label")) > 40
    assert len(page.query_selector_all(".plot .trace, .plot .hm")) >= 20
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_a_figure_is_saved_by_its_button_and_nothing_lies_on_top_of_it(page):
    draw_all(page)
    figure = page.locator('#panels figure[data-kind="accuracy"]').first
    figure.scroll_into_view_if_needed()
    figure.locator(".plot").hover()
    assert page.locator(".modebar").count() == 0
    with page.expect_download() as saved:
        figure.locator("button", has_text="SVG").click()
    assert saved.value.suggested_filename == "chess-puzzle-accuracy.svg"
    assert "</svg>" in Path(saved.value.path()).read_text(encoding="utf-8")


def test_filters_filter_table_and_figures(page):
    draw_all(page)
    assert rows_shown(page) == 10
    press(page, "task", "chess-blunder")
    assert rows_shown(page) == 2
    assert page.locator(".task:visible h3").all_inner_texts() == ["chess-blunder"]
    press(page, "task", "chess-blunder")
    press(page, "method", "confidence")
    press(page, "student", "large")
    assert rows_shown(page) == 2
    assert "2 of 10 comparisons" in page.locator("#shown").inner_text()
    figure = page.locator('figure[data-task="chess-puzzle"][data-kind="pgr"]')
    figure.scroll_into_view_if_needed()
    names = "each => each.querySelector('.plot').data.map(trace => trace.name)"
    page.wait_for_function(f"each => ({names})(each).length === 2", arg=figure.element_handle())
    assert all("confidence" in name for name in page.evaluate(names, figure.element_handle()))
    press(page, "method", "confidence")
    press(page, "method", "naive-hard")
    press(page, "task", "chess-blunder")
    assert "No comparison passes" in page.locator("#table").inner_text()
    page.locator("#clear").click()
    assert rows_shown(page) == 10


def test_one_seed_shows_its_own_numbers(page, results):
    press(page, "seed", "1")
    assert rows_shown(page) == 10
    assert "seed 1 alone" in page.locator("#shown").inner_text()
    page.locator('tr[data-comparison="c0"] .more').click()
    told = page.locator("tr.told:visible")
    assert "Seeds 1." in told.inner_text()
    assert "one seed only" in told.inner_text()


def test_headings_sort_by_mouse_and_keyboard(page):
    column = page.locator('#table th[data-column="gain"]')
    column.locator("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    gains = [float(text.split()[0]) for text in page.locator("#table td:nth-child(7)").all_inner_texts()]
    assert gains == sorted(gains, reverse=True)
    page.keyboard.press("Enter")  # the heading keeps the focus
    assert column.get_attribute("aria-sort") == "ascending"
    again = [float(text.split()[0]) for text in page.locator("#table td:nth-child(7)").all_inner_texts()]
    assert again == sorted(gains)


def test_search_finds_and_kinds_of_rows_add_up(page):
    open_examples(page)
    assert page.locator("#example-count").inner_text() == "120 rows of 120"
    options = page.locator("#example-situation option").all_inner_texts()
    counts = [int(text.rpartition("(")[2].rstrip(")")) for text in options]
    assert counts[0] == 120 == sum(counts[1:])
    page.select_option("#example-situation", "overruled-right")
    assert page.locator("#example-count").inner_text() == f"{counts[1]} rows of 120"
    page.select_option("#example-situation", "")
    page.fill("#example-search", "row-77")
    page.wait_for_function("() => document.querySelectorAll('#cards .card').length === 1")
    assert "row-77" in page.locator("#cards").inner_text()
    page.fill("#example-search", "no such thing")
    page.wait_for_function("() => document.querySelectorAll('#cards .card').length === 0")


def test_positions_are_boards_and_pages_turn(page):
    open_examples(page)
    page.fill("#example-search", "row-")
    page.wait_for_function("() => document.querySelectorAll('#cards svg.board').length === 12")
    label = page.locator("#cards svg.board").first.get_attribute("aria-label")
    assert "own queen d1" in label
    assert "other king e8" in label
    first = page.locator("#cards .card h4").first.inner_text()
    page.locator(".pager button", has_text="Next").click()
    assert page.locator("#cards .card h4").first.inner_text() != first
    page.select_option("#example-task", "chess-blunder")
    page.wait_for_function("() => document.querySelector('#cards').innerText.includes('good')")


def test_hostile_rows_stay_text(page):
    open_examples(page)
    alone = "evil => [...document.querySelectorAll('#cards .text')].map(each => each.textContent).join() === evil"
    for evil in EVIL[:2]:
        page.fill("#example-search", evil)
        page.wait_for_function(alone, arg=evil)
        assert page.locator("#cards h4").inner_text() == evil
    assert page.locator(".about").inner_text() == EVIL[0]
    assert page.locator("img").count() == 0
    assert page.evaluate("[...document.scripts].every(each => !each.textContent.startsWith('alert'))")


def test_the_theme_button_goes_round_and_figures_follow(page):
    draw_all(page)
    figure = page.locator("#panels figure").first
    figure.scroll_into_view_if_needed()
    colours = []
    for name in ("light", "dark", "auto"):
        page.locator("#theme").click()
        assert page.locator("#theme").inner_text() == f"Theme: {name}"
        figure.scroll_into_view_if_needed()
        ink = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
        wait = "([each, ink]) => each.querySelector('.plot').layout.font.color === ink"
        page.wait_for_function(wait, arg=[figure.element_handle(), ink])
        colours.append(ink)
    assert colours[0] != colours[1]


def test_steps_are_unpacked_when_opened(page, results):
    page.locator("#steps summary").click()
    page.wait_for_selector("#step-table tbody tr")
    assert results.plan.cells[0].result.key in page.locator("#step-table").inner_text()


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page):
    open_examples(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, select, input, [role=img], [role=region], figure .plot')]
            .filter(each => !(each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.length))
            .map(each => each.outerHTML)"""
    )
    assert nameless == []
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(each => each.tabIndex === 0)")
    assert page.locator("th:not([scope])").count() == 0


def test_print_shows_light_colours_and_no_controls(page):
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()
    assert page.locator("#table table").is_visible()


def test_figures_that_were_never_scrolled_to_are_printed_in_light_colours(page):
    page.emulate_media(color_scheme="dark")
    page.locator("#panels[data-ready]").wait_for(state="attached", timeout=60_000)
    drawn = page.evaluate(
        """() => {
            dispatchEvent(new Event("beforeprint"));  // a browser prints as soon as this returns
            return [...document.querySelectorAll("#panels .plot:not([hidden])")].map((plot) => {
                const text = plot.querySelector(".xtick text");
                return [plot.querySelectorAll(".main-svg").length > 0, text && getComputedStyle(text).fill];
            });
        }"""
    )
    assert len(drawn) >= 8
    assert all(any_svg for any_svg, _ in drawn)
    assert {fill for _, fill in drawn if fill} <= {"rgb(28, 33, 38)", "rgb(91, 101, 112)"}
    assert page.evaluate("document.documentElement.dataset.theme") is None
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    draw_all(page)


def test_agreement_of_all_tasks_is_one_figure_that_follows_the_filters(wide_page):
    page = wide_page
    draw_all(page)
    figure = page.locator('figure[data-kind="agreement-of-all"]')
    titles = "each => each.querySelector('.plot').layout.annotations.map(one => one.text.replace(/<[^>]*>/g, ''))"
    assert page.evaluate(titles, figure.element_handle()) == [
        "chess-preference, 1 epoch",
        "chess-puzzle, naive-hard",
        "chess-blunder",
    ]
    box = figure.locator(".plot").bounding_box()
    assert box["height"] > (700 if page.viewport_size["width"] < 500 else 250)
    figure.locator("select").select_option("confidence")
    page.wait_for_function(f"each => ({titles})(each).length === 2", arg=figure.element_handle())
    press(page, "task", "chess-blunder")
    figure.scroll_into_view_if_needed()
    page.wait_for_function(f"each => ({titles})(each).length === 1", arg=figure.element_handle())


def test_curves_are_drawn_where_there_are_some_and_said_to_be_diagnostics(wide_page):
    page = wide_page
    draw_all(page)
    curves = page.locator('figure[data-kind="curves"]')
    assert curves.count() == 2
    assert "looked at the truth" in curves.first.inner_text()
    assert "chose nothing" in curves.first.inner_text()
    names = "each => each.querySelector('.plot').data.filter(trace => trace.customdata).map(trace => trace.name)"
    assert set(page.evaluate(names, curves.first.element_handle())) == {"naive", "confidence", "ceiling"}
    curves.first.locator("select").select_option("agreement")
    page.wait_for_function(f"each => !({names})(each).includes('ceiling')", arg=curves.first.element_handle())


def test_a_large_study_has_an_overview_and_figures_of_one_method(wide_page):
    page = wide_page
    assert page.locator("#overview tbody tr").count() == 3
    assert "gain in 4, none in 0, loss in 0 of 4 pairs" in page.locator("#overview tbody").inner_text()
    press(page, "method", "confidence")
    assert page.locator("#overview tbody tr").count() == 1
    page.locator("#clear").click()
    draw_all(page)
    figure = page.locator('figure[data-task="chess-blunder"][data-kind="accuracy"]')
    assert figure.locator("select").count() == 0  # six lines can be told apart
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_second_figures_and_what_form_tells_are_on_the_page(wide_page):
    page = wide_page
    blunder = page.locator("#table tbody tr", has_text="chess-blunder").first.inner_text()
    assert all(figure in blunder for figure in ("(30.0)", "(45.0)", "(60.0)"))
    assert "right answer scores highest" in page.locator("#comparisons").inner_text()
    assert "lengths and punctuation alone is right in 51.2%" in page.locator("#panels").inner_text()
    assert "7 rows left out: without a label" in page.locator("#panels").inner_text()


def test_preferences_show_their_completions_and_moves_on_a_board(wide_page):
    page = wide_page
    open_examples(page)
    page.fill("#example-search", "row-3")
    card = page.locator("#cards .card", has_text="Which is better?")
    card.wait_for()
    assert card.locator(".completions li").count() == 2
    assert "the second answer" in card.locator(".preferred").inner_text()
    assert "✓ preferred" in card.locator(".preferred").inner_text()
    assert card.locator("svg.board").count() == 0
    page.fill("#example-search", "row-77")
    page.wait_for_function("() => document.querySelectorAll('#cards svg.board').length === 1")
    label = page.locator("#cards svg.board").get_attribute("aria-label")
    assert "better move: e1e2" in label
    assert "worse move: " in label
    assert page.locator("#cards svg.board polygon").count() == 2


def test_hostile_completions_stay_text(wide_page):
    page = wide_page
    open_examples(page)
    page.fill("#example-search", EVIL[0])
    page.wait_for_function(
        "evil => [...document.querySelectorAll('#cards .completions .text')].some(each => each.textContent === evil)",
        arg=EVIL[0],
    )
    assert page.locator("img").count() == 0
    assert page.evaluate("[...document.scripts].every(each => !each.textContent.startsWith('alert'))")


def test_a_page_of_two_hundred_comparisons_loads_in_time(browser, tmp_path):
    supervisors = ["small", "middle", "large", "huge"]
    students = [*supervisors, "vast", "last"]
    methods = ["naive", "naive-hard", "confidence", "confidence-75", "bootstrapping-hard"]
    tasks = {"chess-puzzle": methods, "chess-blunder": [*methods, "confidence-release"]}
    blocks = [
        {"task": task, "supervisors": supervisors, "students": students, "methods": of_task}
        for task, of_task in tasks.items()
    ]
    study = {"name": "big", "seeds": [0], "rows": {"test": 120}, "training": {"lr": 0.001}, "comparisons": blocks}
    results = made_up(tmp_path, json.dumps(study))
    assert len(results.comparisons) >= 200
    path = write_report(results, tmp_path / "big.html")
    assert path.stat().st_size < 12_000_000
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri(), wait_until="load")
    took = page.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    assert rows_shown(page) == len(results.comparisons)
    context.close()
    assert 0 < took < BUSY * LOAD_SECONDS
