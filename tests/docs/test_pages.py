"""The pages are built without a warning, their links lead somewhere, and the reference leaves no public name out."""

import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

import outgrow
from outgrow.cli.app import command
from outgrow.spec import Comparison, LabelFile, OwnTask, Rows, Study, Training

from .pages import ROOT

DOCS = ROOT / "docs"
SPECS = (Study, Comparison, Rows, Training, LabelFile, OwnTask)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of the built pages; skip without Sphinx, but fail in CI, which installs it."""
    if find_spec("sphinx") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Sphinx is missing: pip install -e '.[dev]'")
        pytest.skip("needs Sphinx: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("pages")
    program = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-qN", "-d", folder / "trees"]
    done = subprocess.run([*program, DOCS, folder / "html"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


class Page(HTMLParser):
    """What a page links to and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [given[name] for name in ("href", "src") if given.get(name)]


@pytest.mark.slow
def test_links_lead_somewhere(built):
    pages = {path.resolve(): Page(path) for path in built.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            where = urlparse(link)
            if where.scheme:
                continue
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            fragment = unquote(where.fragment)
            if not target.exists() or (fragment and target in pages and fragment not in pages[target].anchors):
                broken.append(f"{path.relative_to(built)}: {link}")
    assert broken == []


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(built):
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img)[^>]+src="https?:', text) == [], path
        assert re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="https?:', text) == [], path


@pytest.mark.slow
def test_the_reference_has_every_public_name_and_every_command(built):
    names = Page(built / "reference/api.html").anchors
    assert {f"outgrow.{name}" for name in outgrow.__all__} <= names
    text = (built / "reference/commands.html").read_text(encoding="utf-8")
    assert all(f"outgrow {name}</" in text or f"outgrow {name}<a" in text for name in command().commands)


@pytest.mark.slow
def test_the_reference_has_every_key_of_a_study_and_what_it_means(built):
    text = (built / "reference/study.html").read_text(encoding="utf-8")
    tables = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    told = {}
    for row in tables:
        cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        if len(cells) == 4:
            told.setdefault(cells[0], []).append(cells[3])
    keys = {name for spec in SPECS for name in spec.model_fields}
    assert keys == set(told)
    assert [name for name, meanings in told.items() if not all(meanings)] == []


def test_every_public_name_says_what_it_is():
    for name in outgrow.__all__:
        each = getattr(outgrow, name)
        assert inspect.getdoc(each), name
        if isinstance(each, type) and each.__module__.startswith("outgrow"):
            own = {
                k: v
                for k, v in vars(each).items()
                if not k.startswith("_") and (callable(v) or isinstance(v, property))
            }
            assert [f"{name}.{k}" for k, v in own.items() if not inspect.getdoc(v)] == []


def test_links_between_markdown_files_lead_somewhere():
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    broken = []
    for path in files:
        text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not urlparse(link).scheme and not (path.parent / link).exists():
                broken.append(f"{path.relative_to(ROOT)}: {link}")
    assert broken == []
