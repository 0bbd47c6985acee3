import base64
import gzip
import json
import re
import subprocess
import sys

import pytest

from outgrow.errors import UsageError
from outgrow.report import write_report
from outgrow.report.packing import as_json, packed

from .conftest import EVIL, STUDY, made_up


@pytest.fixture(scope="module")
def html(page_path):
    return page_path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document(html):
    return json.loads(element(html, "document"))


def element(html, name):
    return re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', html, re.DOTALL)[1]


def blob(html, name):
    return json.loads(gzip.decompress(base64.b64decode(element(html, f"blob-{name}"))))


def examples_of(html, task):
    document = json.loads(element(html, "document"))
    shown = next(each for each in document["examples"] if each["task"] == task)
    return shown, blob(html, shown["name"])


def test_the_page_holds_every_comparison_pooled_and_by_seed(document, results):
    pooled = [row for row in document["rows"] if row["seed"] is None]
    assert len(pooled) == len(results.comparisons) == 10
    assert {row["seed"] for row in document["rows"]} == {None, 0, 1}
    first = results.comparisons[0].summary
    assert pooled[0]["gain"] == pytest.approx([first.gain.mean, first.gain.low, first.gain.high], abs=1e-8)
    assert pooled[0]["weak"][0] == pytest.approx(0.5)
    assert document["sizes"] == {"small": 1_000, "middle": 20_000, "large": 300_000}


def test_the_page_names_no_address_and_loads_nothing(html):
    without_plotly = html.replace(element(html, "blob-plotly"), "")
    assert set(re.findall(r"https?://[^\"'\s)]+", without_plotly)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=", without_plotly.replace(element(html, "document"), ""))
    assert "default-src 'none'" in html


def test_hostile_data_stays_inside_its_elements(html, document):
    assert document["study"]["about"] == EVIL[0]
    assert html.count("<script") == html.count("</script>")
    assert "<script>alert" not in html
    assert "<img" not in html
    assert examples_of(html, "chess-puzzle")[1]["texts"][:3] == list(EVIL)


def test_escaped_json_reads_back_as_it_was():
    value = {text: [text, 1.5, None] for text in EVIL}
    text = as_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value
    assert as_json(float("nan")) == "null"


def test_packing_gives_the_same_text_each_time():
    assert packed({"a": [1, 2]}) == packed({"a": [1, 2]})


def test_a_page_is_sent_on_without_the_name_of_the_machine(html):
    assert "secret-host" not in html
    assert "a processor" in html


def test_every_finished_step_is_told_with_its_key(html, results):
    steps = blob(html, "steps")
    assert {cell.result.key for cell in results.plan.cells} <= {step[2] for step in steps}


def test_an_example_knows_what_everyone_answered(html):
    shown, content = examples_of(html, "chess-puzzle")
    assert shown["shown"] == shown["of"] == len(content["ids"]) == 120
    cell = shown["cells"][0]
    right = [p == t for p, t in zip(content["predicted"][cell["weak"]], content["truth"], strict=True)]
    assert sum(right) == 60
    assert content["percent"][cell["student"]] == [75] * 120
    assert cell["zero_shot"] is not None


def test_a_study_without_results_is_refused(tmp_path):
    empty = made_up(tmp_path, STUDY.format(num_test=120, about="x"), skip=lambda step: True)
    with pytest.raises(UsageError, match="outgrow run made-up"):
        write_report(empty, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_study_half_done_says_what_is_missing(tmp_path):
    half = made_up(tmp_path, STUDY.format(num_test=120, about="x"), skip=lambda step: "seed 1" in step.title)
    html = write_report(half, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not finished" in html
    assert json.loads(element(html, "document"))["facts"]["unfinished_seeds"] == 10


def test_writing_leaves_the_page_and_nothing_else(results, tmp_path):
    path = tmp_path / "deep" / "page.html"
    write_report(results, path)
    write_report(results, path)
    assert [each.name for each in path.parent.iterdir()] == ["page.html"]
    assert path.stat().st_size < 6_000_000


def test_the_page_is_made_without_torch_and_pandas(results, tmp_path, ladder):
    program = (
        "import json, pathlib, sys\n"
        "from outgrow.models import catalog\n"
        f"catalog.LADDERS = pathlib.Path({str(ladder)!r})\n"
        "from outgrow.dag.store import Store\n"
        "from outgrow.plan import make_plan\n"
        "from outgrow.report import write_report\n"
        "from outgrow.results import Results\n"
        "from outgrow.spec import Study\n"
        f"study = Study.model_validate(json.loads({json.dumps(results.plan.study.plain())!r}))\n"
        f"results = Results(make_plan(study), Store({str(results.store.root)!r}))\n"
        f"write_report(results, pathlib.Path({str(tmp_path / 'page.html')!r}))\n"
        "print([name for name in ('torch', 'transformers', 'pandas', 'kaleido') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.fixture(scope="module")
def wide_html(wide_path):
    return wide_path.read_text(encoding="utf-8")


def test_a_labelled_block_has_examples_of_its_own_with_completions(wide_html):
    shown, content = examples_of(wide_html, "chess-preference, 1 epoch")
    assert shown["options"] == ["first", "second"]
    assert content["completions"][3] == ["the first answer", "the second answer"]
    assert content["completions"][0] == [EVIL[1], EVIL[0]]
    assert "<img" not in wide_html


def test_a_large_study_is_told_by_method_and_against_the_plain_one(wide_html):
    study = json.loads(element(wide_html, "document"))["study"]
    assert any("confidence against naive: beats it in" in each for each in study["findings"])
    assert any("naive-hard against naive: beats it in" in each for each in study["findings"])
    assert not any("->" in each for each in study["findings"])


def test_natural_figures_are_means_of_each_role(wide_html):
    rows = json.loads(element(wide_html, "document"))["rows"]
    blunder = next(row for row in rows if row["task"] == "chess-blunder")
    assert blunder["natural"] == pytest.approx({"weak": 0.3, "student": 0.45, "ceiling": 0.6})
    assert all(row["natural"] == {} for row in rows if row["task"] != "chess-blunder")
