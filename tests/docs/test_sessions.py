"""Examples that look like a Python session do what they show: in the pages and in docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import outgrow.metrics

from .pages import ROOT

PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if ">>> " in path.read_text(encoding="utf-8")]
LIGHT = ("outgrow.metrics", "outgrow.spec", "outgrow.api", "outgrow.results", "outgrow.task_rows", "outgrow.examples")


def test_some_pages_have_sessions():
    assert PAGES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_sessions_in_pages(path):
    text = path.read_text(encoding="utf-8").replace("```", "")
    session = doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0)
    failures, tried = doctest.DocTestRunner().run(session)
    assert tried
    assert failures == 0


def test_sessions_in_docstrings():
    modules = [name for _, name, _ in pkgutil.walk_packages(outgrow.metrics.__path__, "outgrow.metrics.")]
    for name in (*LIGHT, *modules):
        assert doctest.testmod(importlib.import_module(name)).failed == 0, name
