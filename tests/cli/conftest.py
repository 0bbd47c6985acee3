import json
from pathlib import Path

import numpy as np
import pytest

from outgrow.cli import call
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.models import catalog
from outgrow.plan import make_plan
from outgrow.seeds import generator
from outgrow.study_file import load_study

NUM_TEST = 400
STUDY = """
name: made-up
seeds: [0, 1, 2]
rows: {supervisor: 50, student: 50, link: 50, test: 400}
training: {lr: 0.001}
comparisons:
  - {task: chess-puzzle, supervisors: [small], students: [middle, large], methods: [naive-hard, bootstrapping-hard]}
  - {task: chess-blunder, supervisors: [small], students: [middle], methods: [naive, confidence]}
"""
ACCURACIES = {"supervisor": 0.5, "ceiling": 0.8, "zero-shot": 0.3}
"""By the first word of a step's title; every other kind of student has 0.65."""


@pytest.fixture
def ladder(tmp_path, monkeypatch):
    """Put a ladder of three empty models in the place of the shipped one; return its folder."""
    root = tmp_path / "ladders"
    for size, parameters in (("small", 1_000), ("middle", 2_000), ("large", 3_000)):
        folder = root / "chess" / size
        folder.mkdir(parents=True)
        for name in ("config.json", "tokenizer.json", "model.safetensors"):
            (folder / name).write_text(size)
        card = {"size": size, "parameters": parameters, "positions": 10, "held_out": {"accuracy": 0.123}}
        (folder / "card.json").write_text(json.dumps(card))
    (root / "chess" / "learning_rates.json").write_text("{}")
    monkeypatch.setattr(catalog, "LADDERS", root)
    monkeypatch.setattr("outgrow.cli.listing.LADDERS", root)
    for each in (catalog.ladder, catalog.find_model):
        each.cache_clear()
    yield root
    for each in (catalog.ladder, catalog.find_model):
        each.cache_clear()


@pytest.fixture
def study(tmp_path, ladder):
    """Return the path of a study file over the made-up ladder."""
    path = tmp_path / "made-up.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def outgrow(capsys, monkeypatch):
    """Return a function that carries out a command line at 80 columns: exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(*arguments):
        code = call([str(each) for each in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def fill(study, store, monkeypatch):
    """Return a function that publishes a made-up record for every step of the study, and returns its plan."""
    monkeypatch.setattr("outgrow.dag.store.os.fsync", lambda file: None)  # fifty records a test, none worth the wait
    return lambda accuracies=None, *, skip=lambda step: False: publish_all(study, store, accuracies, skip=skip)


def publish_all(study: Path, store: Store, accuracies=None, *, skip=lambda step: False):
    plan = make_plan(load_study(study))
    for step in closure(plan.targets).values():
        if not skip(step):
            publish(step, store, ACCURACIES | (accuracies or {}))
    return plan


def publish(step, store, accuracies):
    record = {"key": step.key, **step.identity, "title": step.title, "outputs": outputs(step, accuracies)}
    packages = {"torch": "2"} if step.kind == "finetune" else {}
    record["provenance"] = {"started": 1.0, "seconds": 2.0, "device": "cpu", "packages": packages}
    store.publish(store.scratch(step.key), record)


def outputs(step, accuracies):
    if step.kind == "task":
        return {"test_groups": list(range(NUM_TEST)), "test_truth": [i % 2 for i in range(NUM_TEST)]}
    if step.kind not in ("finetune", "zero_shot"):
        return {"rows": 50}
    accuracy = accuracies.get(step.title.split()[0], 0.65)
    # Rows are easy or hard for all models alike, up to a little of each one's own.
    difficulty_N = generator(0, "rows").random(NUM_TEST) + 0.3 * generator(0, step.key).random(NUM_TEST)
    correct_N = np.argsort(np.argsort(difficulty_N)) < round(accuracy * NUM_TEST)
    truth_N = np.arange(NUM_TEST) % 2
    test = {
        "accuracy": float(correct_N.mean()),
        "predicted": np.where(correct_N, truth_N, 1 - truth_N).tolist(),
        "correct": "".join("1" if each else "0" for each in correct_N),
        "calibration_error": 0.1,
    }
    return {"test": test}
