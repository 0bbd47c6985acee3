"""The one-page example and the library are the same algorithm: same weights, same batches, same predictions."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

from outgrow.dag.scheduler import run_graph
from outgrow.dag.work import Runtime
from outgrow.examples import cut, seeded_order
from outgrow.plan import make_plan
from outgrow.seeds import generator
from outgrow.tables import read_examples, read_labels
from outgrow.training.batches import batch_stream

EXAMPLES = Path(__file__).parents[1] / "examples"
TASK, SEED, BATCH = "chess-blunder", 3, 16


def minimal():
    spec = importlib.util.spec_from_file_location("minimal", EXAMPLES / "minimal.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(source, sizes):
    """Return the rows that the library deals out at this seed, as the example reads them."""
    pool = read_examples(source.path("pool.parquet"))
    ids = cut(pool, sizes, order=seeded_order(pool.groups, seed=SEED, purpose=TASK), balanced_classes=2)
    splits = {name: pool.take(ids[name]) for name in ("supervisor", "student")}
    splits["test"] = read_examples(source.path("test.parquet"))
    return [
        {"text": text, "truth": int(truth), "split": name}
        for name, rows in splits.items()
        for text, truth in zip(rows.texts, rows.truth_N, strict=True)
    ]


def test_the_example_agrees_with_the_library_row_by_row(tiny_study, tiny_ladder, store):
    plan = make_plan(tiny_study(TASK, methods=("naive-hard",), seeds=(SEED,), training={"epochs": 6}))
    assert run_graph(plan.targets, store=store, runtime=Runtime()).ok
    (cell,) = plan.cells
    steps = {"weak": cell.weak, "student": cell.result, "ceiling": cell.ceiling}
    rows = rows_of(store.get(cell.source.key), cell.result.spec["splits"])

    predictions = minimal().weak_to_strong(
        tiny_ladder["tiny-8"],
        tiny_ladder["tiny-16"],
        rows,
        epochs=6,
        batch=BATCH,
        lr=0.01,
        batches=lambda num, steps: batch_stream(num, batch=BATCH, steps=steps, rng=generator(SEED, "batches", TASK)),
    )

    truth_N = np.array([row["truth"] for row in rows if row["split"] == "test"])
    for name, step in steps.items():
        done = store.get(step.key)
        expected_NK = read_labels(done.path("test.parquet")).dense()
        assert np.abs(expected_NK - 0.5).max() > 0.1  # the models have learnt something to agree on
        np.testing.assert_allclose(predictions[name], expected_NK, atol=1e-4)
        accuracy = (predictions[name].argmax(1) == truth_N).mean()
        assert accuracy == done.outputs["test"]["accuracy"]


def test_the_example_runs_from_the_command_line(tiny_ladder, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = [
        {"text": f"Ke1 {'pa2' if truth else 'Pa2'} ke8 ?", "truth": int(truth), "split": split}
        for split in ("supervisor", "student", "test")
        for truth in rng.integers(0, 2, 40)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    models = ["--weak", str(tiny_ladder["tiny-8"]), "--strong", str(tiny_ladder["tiny-16"])]
    monkeypatch.setattr(sys, "argv", ["minimal.py", "--rows", str(path), *models, "--lr", "0.02"])
    minimal().main()
    first, second = capsys.readouterr().out.splitlines()
    assert [word for word in first.split() if not word.endswith("%")] == ["weak", "student", "ceiling"]
    assert second.startswith("PGR")


def test_the_example_does_not_use_the_library():
    lines = (EXAMPLES / "minimal.py").read_text(encoding="utf-8").splitlines()
    assert not any(line.split()[:1] in (["import"], ["from"]) and "outgrow" in line for line in lines)
