"""The golden tiny run: the numbers that each version of the step functions gives.

Numbers that change without a version are a cache that lies. To write the file anew, after a version was raised:
OUTGROW_GOLDEN=write pytest tests/test_golden.py
"""

import json
import os
from pathlib import Path

import pytest

from outgrow.dag.scheduler import run_graph
from outgrow.dag.work import Runtime
from outgrow.plan import make_plan
from outgrow.versions import STEP_VERSIONS

GOLDEN = Path(__file__).parent / "golden" / "tiny.json"
LOSS, SHARE = 2e-3, 0.04
"""How far a loss and an accuracy (of 60 rows: two of them) may be off on another machine."""


def studies(tiny_study, text_study):
    """Return studies that go through every kind of step of a study."""
    rows = {"supervisor_validation": 16, "student_validation": 16}
    two = {"supervisors": ("bert-8", "llama-12")}
    return [
        tiny_study("chess-puzzle", methods=["naive-hard"]),
        tiny_study("chess-blunder", methods=["confidence"], training={"lr": "tune"}),
        text_study(
            methods=["naive", "lora", "stop-weak", "few-shot-weak", "generative-all"],
            supervisors=["llama-12"],
            rows=rows,
        ),
        text_study(
            methods=["confidence", "ensemble-entropy", "logistic-cleaning"], training={"tuning": "probe"}, **two
        ),
        text_study("openbookqa", methods=["product", "probe-then-finetune"], training={"l2": "tune"}),
        text_study("hh_rlhf", methods=["naive", "generative"]),
        text_study("hh_rlhf", methods=["generative-all"], supervisors=["llama-12"], training={"head": "completion"}),
    ]


def numbers(tiny_study, text_study, store):
    """Return per kind of step, by title, the numbers that it gave."""
    found = {}
    for study in studies(tiny_study, text_study):
        summary = run_graph(make_plan(study).targets, store=store, runtime=Runtime())
        assert summary.ok, summary.failures
        for key, step in summary.steps.items():
            found.setdefault(step.kind, {})[step.title] = _kept(store.get(key).outputs)
    return {kind: dict(sorted(rows.items())) for kind, rows in sorted(found.items())}


def _kept(outputs):
    kept = {name: outputs[name] for name in ("accuracy", "lr", "l2", "rows", "loss") if name in outputs}
    if "test" in outputs:
        kept["test"] = {name: value for name, value in outputs["test"].items() if isinstance(value, float)}
    return kept


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_numbers_are_those_of_the_versions(tiny_study, text_study, store):
    found = numbers(tiny_study, text_study, store)
    if os.environ.get("OUTGROW_GOLDEN") == "write":
        whole = {kind: {"version": STEP_VERSIONS[kind], "numbers": rows} for kind, rows in found.items()}
        GOLDEN.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert set(found) == set(golden)
    for kind, rows in found.items():
        changed = list(_differences(golden[kind]["numbers"], rows, kind))
        if golden[kind]["version"] == STEP_VERSIONS[kind]:
            assert not changed, f"the numbers changed, the version in outgrow/versions.py did not: {changed[:3]}"
        else:
            pytest.fail(f"the version of {kind} was raised: write the golden run anew (see the top of this file)")


def _differences(first, second, where):
    if isinstance(first, dict) and isinstance(second, dict):
        if set(first) != set(second):
            yield where, sorted(first), sorted(second)
        for name in set(first) & set(second):
            yield from _differences(first[name], second[name], f"{where}, {name}")
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for one, other in zip(first, second, strict=True):
            yield from _differences(one, other, where)
    else:
        allowed = LOSS if where.endswith(", loss") else SHARE if isinstance(first, float) else 0
        if not isinstance(second, int | float) or abs(first - second) > allowed:
            yield where, first, second


def test_a_changed_number_is_noticed(golden):
    loss = golden["finetune"]["numbers"]
    title = next(iter(loss))
    changed = json.loads(json.dumps(loss))
    changed[title]["loss"][0] += 0.01
    assert [where for where, _, _ in _differences(loss, changed, "finetune")] == [f"finetune, {title}, loss"]
    assert list(_differences(loss, loss, "finetune")) == []


def test_the_golden_run_covers_what_a_study_of_models_goes_through(golden):
    makes_the_ladder = {kind for kind in STEP_VERSIONS if kind not in golden}
    assert makes_the_ladder == {
        "selfplay",
        "positions",
        "corpus",
        "pretrain",
        "export",
        "mine_puzzles",
        "mine_blunders",
        "assemble_puzzles",
        "assemble_blunders",
        "mine_preferences",
        "assemble_preferences",
        "background",  # of the shipped chess pairs alone
        "label_file",  # its numbers are the file's
    }
