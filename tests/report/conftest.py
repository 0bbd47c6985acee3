"""A study of made-up records, with rows and texts, and a browser to look at its page."""

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outgrow.chess.encoding import move_words
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.examples import Examples, Labels
from outgrow.models import catalog
from outgrow.plan import make_plan
from outgrow.report import write_report
from outgrow.results import Results
from outgrow.seeds import generator
from outgrow.study_file import load_study
from outgrow.tables import write_examples, write_labels

EVIL = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!-- \u2028 ]]> &lt;b&gt; {{ 7 * 7 }}")
POSITION = "Ke1 Qd1 Ra1 Pe4 ke8 qd8 pe5 castle:KQkq ep:- ?"
NUM_TEST = 120
LADDER = {"small": 1_000, "middle": 20_000, "large": 300_000, "huge": 4_000_000, "vast": 10**8, "last": 10**9}
STUDY = """
name: made-up
about: {about}
seeds: [0, 1]
rows: {{supervisor: 50, student: 50, link: 50, test: {num_test}}}
training: {{lr: 0.001}}
comparisons:
  - {{task: chess-puzzle, supervisors: [small, middle], students: [middle, large], methods: [naive-hard, confidence]}}
  - {{task: chess-blunder, supervisors: [small], students: [middle, large], methods: [naive]}}
"""
WIDE = """
name: wide
seeds: [0, 1]
rows: {supervisor: 50, student: 50, test: 120}
training: {lr: 0.001}
comparisons:
  - &grid
    task: chess-preference
    label: 1 epoch
    supervisors: [small, middle]
    students: [middle, large]
    methods: [naive, confidence]
  - {<<: *grid, task: chess-puzzle, label: "", methods: [naive-hard]}
  - {<<: *grid, task: chess-blunder, label: "", methods: [naive, naive-hard, confidence]}
"""
"""Too many comparisons for a sentence each; options that are texts, a natural mix of rows, curves over training."""
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""When the made-up students of `WIDE` were looked at: they rise, and fall from the third on."""
ACCURACIES = {"supervisor": 0.5, "ceiling": 0.8, "zero-shot": 0.3}
"""By the first word of a step's title; every other kind of student has 0.65."""


@pytest.fixture(scope="session")
def ladder_root(tmp_path_factory):
    """Return a folder like the package's ladders, of empty models."""
    root = tmp_path_factory.mktemp("ladders")
    for size, parameters in LADDER.items():
        folder = root / "chess" / size
        folder.mkdir(parents=True)
        for name in ("config.json", "tokenizer.json", "model.safetensors"):
            (folder / name).write_text(size)
        (folder / "card.json").write_text(json.dumps({"size": size, "parameters": parameters}))
    (root / "chess" / "learning_rates.json").write_text("{}")
    return root


@contextmanager
def in_place(root):
    """Have this ladder in the place of the shipped one: for as long as it is needed, other tests share the process."""
    caches = (catalog.ladder, catalog.find_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "LADDERS", root)
        for each in caches:
            each.cache_clear()
        yield
    for each in caches:
        each.cache_clear()


@pytest.fixture(autouse=True)
def ladder(ladder_root):
    """Put the ladder of empty models in the place of the shipped one; return its folder."""
    with in_place(ladder_root):
        yield ladder_root


@pytest.fixture(scope="session")
def results(tmp_path_factory, ladder_root):
    """Return the results of a study all of whose steps have made-up records, some rows of them hostile."""
    with in_place(ladder_root):
        return made_up(tmp_path_factory.mktemp("made-up"), STUDY.format(num_test=NUM_TEST, about=json.dumps(EVIL[0])))


@pytest.fixture(scope="session")
def wide(tmp_path_factory, ladder_root):
    """Return the results of a larger study with all that records may hold."""
    with in_place(ladder_root):
        found = made_up(tmp_path_factory.mktemp("wide"), WIDE, rich=True)
    tasks = found.plan.tasks
    blunder = replace(tasks["chess-blunder"], natural="question")
    return replace(found, plan=replace(found.plan, tasks=tasks | {"chess-blunder": blunder}))


@pytest.fixture(scope="session")
def wide_path(wide, tmp_path_factory):
    """Return the page of that study."""
    return write_report(wide, tmp_path_factory.mktemp("page") / "wide.html")


@pytest.fixture(scope="session")
def page_path(results, ladder_root, tmp_path_factory):
    """Return the page of that study."""
    with in_place(ladder_root):
        return write_report(results, tmp_path_factory.mktemp("page") / "made-up.html")


def made_up(
    folder: Path, study: str, *, num_test: int = NUM_TEST, skip=lambda step: False, rich: bool = False
) -> Results:
    """Publish a made-up record for every step of a study and return its results; `rich`: with all it may hold."""
    (folder / "study.yaml").write_text(study)
    plan, store = make_plan(load_study(folder / "study.yaml")), Store(folder / "store")
    for step in closure(plan.targets).values():
        if not skip(step):
            publish(step, store, num_test, rich=rich)
    return Results(plan, store)


def publish(step, store, num_test, *, rich=False):
    scratch = store.scratch(step.key)
    record = {"key": step.key, **step.identity, "title": step.title}
    record["outputs"] = outputs(step, num_test, scratch)
    if rich:
        enrich(step, record["outputs"])
    record["provenance"] = {
        "started": 1.0,
        "seconds": 2.0,
        "host": "secret-host",
        "cpu": "a processor",
        "cores": 2,
        "device": "cpu",
        "threads": 1,
        "platform": "Linux",
        "python": "3.11",
        "peak_memory_mb": 100.0,
        "packages": {"torch": "2"} if step.kind == "finetune" else {},
    }
    store.publish(scratch, record)


def enrich(step, found):
    """Add what only some records have."""
    if step.kind == "task" and step.spec["task"] == "chess-blunder":
        found |= {"shortcut": 0.5125, "skipped": {"without a label": 7}}
    if "test" in found and step.spec["task"] == "chess-blunder":
        found["test"]["natural_accuracy"] = found["test"]["accuracy"] - 0.2
    if step.kind == "finetune" and step.spec["task"] != "chess-puzzle":
        end = found["test"]["accuracy"]
        found |= {"steps": 50, "curve": [
            {"step": round(50 * share), "accuracy": end - 0.1 + 0.05 * (2 - abs(i - 2)), "agreement": 0.5 + 0.08 * i}
            for i, share in enumerate(SHARES)
        ]}  # fmt: skip


def outputs(step, num_test, scratch):
    truth_N = np.arange(num_test) % 2
    if step.kind == "task":
        pairs = step.spec["task"] == "chess-preference"
        write_examples(scratch / "test.parquet", preferences(truth_N) if pairs else examples(truth_N))
        return {"test_groups": list(range(num_test)), "test_truth": truth_N.tolist()}
    if step.kind not in ("finetune", "zero_shot", "probe"):
        return {"rows": 50}
    accuracy = ACCURACIES.get(step.title.split()[0], 0.65)
    # Rows are easy or hard for all models alike, up to a little of each one's own.
    difficulty_N = generator(0, "rows").random(num_test) + 0.3 * generator(0, step.key).random(num_test)
    correct_N = np.argsort(np.argsort(difficulty_N)) < round(accuracy * num_test)
    predicted_N = np.where(correct_N, truth_N, 1 - truth_N)
    options_NT = np.stack([predicted_N, 1 - predicted_N], axis=1)
    sure_NT = np.tile(np.array([0.75, 0.25], np.float32), (num_test, 1))
    write_labels(scratch / "test.parquet", Labels(ids(num_test), options_NT, sure_NT, 2))
    return {
        "test": {
            "accuracy": float(correct_N.mean()),
            "predicted": predicted_N.tolist(),
            "correct": "".join("1" if each else "0" for each in correct_N),
            "calibration_error": 0.1,
        }
    }


def ids(num_test):
    return tuple(EVIL[i] if i < len(EVIL) else f"row-{i}" for i in range(num_test))


def examples(truth_N):
    names = ids(len(truth_N))
    texts = [EVIL[i] if i < len(EVIL) else f"{POSITION} {move_words()[i]}" for i in range(len(truth_N))]
    return Examples(names, names, tuple(texts), truth_N)


def preferences(truth_N):
    """Return prompts with two completions: moves, hostile texts, and for the fourth row a plain text."""
    names = ids(len(truth_N))
    texts = [EVIL[i] if i < len(EVIL) else f"{POSITION}" for i in range(len(truth_N))]
    completions = [
        tuple(reversed(EVIL[:2])) if i < len(EVIL) else (f" {move_words()[i]}", " e1e2") for i in range(len(truth_N))
    ]
    texts[3], completions[3] = "Which is better?", ("the first answer", "the second answer")
    return Examples(names, names, tuple(texts), truth_N, tuple(completions))


@pytest.fixture(scope="session")
def browser():
    """Return headless Chromium; skip where it is missing, but fail in CI, which installs it."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()
