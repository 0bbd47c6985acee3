"""The commands and the code that README, tutorial, how-tos and notebook print are run, in order, as a reader would.

One folder for all of them, as a reader has one: what one page computed the next finds in the store. Lines that install
are checked and not run: whoever runs the tests has just run them.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, Block, blocks

NOTEBOOK = ROOT / "docs/notebooks/first-finding.ipynb"
NOTHING_TO_RUN = ("own-data.md", "task.md")
INSTALL = re.compile(r"\S*pip install (?P<what>.+)$")
NOT_HERE = (r"python3 -m venv \.venv$", r"\.venv/bin/python -m pytest", r"\.venv/bin/pytest")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Return a folder like a clone in which a reader has installed the package: its `.venv` is this interpreter's."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "src").symlink_to(ROOT / "src")
    return folder


def commands(block: Block) -> list[str]:
    """Return the commands of a shell block, those that install left out after a check of what they name."""
    whole = re.sub(r"\\\n\s*", " ", block.body)
    parts = [part.strip() for line in whole.splitlines() for part in line.partition("#")[0].split("&&")]
    return [part for part in parts if part and not is_done_already(part, block)]


def is_done_already(command: str, block: Block) -> bool:
    if any(re.match(pattern, command) for pattern in NOT_HERE):
        return True
    install = INSTALL.match(command)
    if install is None:
        return False
    words = install["what"].split()
    for name, value in pairwise(words):
        if name == "-c":
            assert (ROOT / value).is_file(), f"{block.place}: there is no {value}"
        if name == "-e":
            known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            for extra in re.findall(r"\[(.+?)\]", value):
                assert extra in known, f"{block.place}: there is no extra {extra}"
    return True


def run(block: Block, folder: Path) -> None:
    environment = os.environ | {"PATH": f"{folder}/.venv/bin:{os.environ['PATH']}", "COLUMNS": "80"}
    if block.kind == "file":
        (folder / block.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.name).write_text(block.body, encoding="utf-8")
        return
    if block.kind == "shell":
        program = ["bash", "-euo", "pipefail", "-c", "\n".join(commands(block))]
    else:
        program = [sys.executable, "-c", block.body]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place} fails:\n{block.body}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_what_the_pages_print_can_be_followed(desk, subtests):
    for page in PAGES:
        with subtests.test(page=page.relative_to(ROOT)):
            for block in blocks(page):
                if block.kind != "none":
                    run(block, desk)
    with subtests.test(page="the notebook"):
        cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        run(Block(NOTEBOOK, 1, "python", code), desk)


def test_pages_have_something_to_run_and_say_why_where_not():
    for page in PAGES:
        found = blocks(page)
        assert any(each.kind in ("shell", "python", "file") for each in found) or page.name in NOTHING_TO_RUN, page
        assert page.read_text(encoding="utf-8").count("```") % 2 == 0
    readme = [command for each in blocks(PAGES[0]) if each.kind == "shell" for command in commands(each)]
    assert ".venv/bin/outgrow run" in readme


def test_the_notebook_is_small_and_has_no_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert NOTEBOOK.stat().st_size < 50_000
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")
