"""The one-page recipe for text and the library are the same algorithm: same weights and batches, same probabilities."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from outgrow.examples import Examples, Labels
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.training.batches import batch_stream, encode
from outgrow.training.finetune import Compute, Schedule, finetune
from outgrow.training.inference import predict
from outgrow.training.losses import LOSSES, Moment

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_text.py"
SIZE, TEST, BATCH, EPOCHS, RATE = 32, 40, 16, 3, 4e-3


def minimal():
    spec = importlib.util.spec_from_file_location("minimal_text", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(seed):
    """Return rows of one to fourteen words, of which some say what the class is."""
    rng = np.random.default_rng(seed)
    made = []
    for split, number in (("supervisor", SIZE), ("student", SIZE), ("test", TEST)):
        for truth in rng.permutation(np.arange(number) % 2):
            words = [*rng.choice(list("!cdefgh"), rng.integers(1, 13)), "a" if truth else "b"]
            made.append({"text": " ".join(rng.permutation(words)), "truth": int(truth), "split": split})
    return made


def batches_of(seed):
    return lambda num, steps: batch_stream(num, batch=BATCH, steps=steps, rng=np.random.default_rng(seed))


def split_of(made, name):
    chosen = [row for row in made if row["split"] == name]
    ids = tuple(f"{name}{i}" for i in range(len(chosen)))
    return Examples(ids, ids, tuple(row["text"] for row in chosen), np.array([row["truth"] for row in chosen]))


def with_the_library(weak, strong, made, seed):
    splits = {name: split_of(made, name) for name in ("supervisor", "student", "test")}

    def trained(folder, split, labels):
        scorer, tokenizer = load_scorer(folder, head="class", options=("no", "yes"), verbalizer=("0", "1")), None
        tokenizer = load_tokenizer(folder)
        inputs = {name: encode(tokenizer, part, head="class", limit=512) for name, part in splits.items()}
        finetune(
            scorer,
            inputs[split],
            labels,
            schedule=Schedule(EPOCHS * SIZE // BATCH, BATCH, RATE, weight_decay=0.0, warmup=0.1),
            loss=LOSSES["cross-entropy"],
            loss_options={},
            moment=Moment(0.0, shared=True),
            rng=np.random.default_rng(seed),
            compute=Compute(packed=True, budget=60),
        )
        return lambda name: predict(scorer, inputs[name])

    supervisor = trained(weak, "supervisor", Labels.from_truth(splits["supervisor"], 2))
    labels = Labels.from_dense(splits["student"].ids, supervisor("student"))
    student = trained(strong, "student", labels)
    ceiling = trained(strong, "student", Labels.from_truth(splits["student"], 2))
    return {"weak": supervisor("test"), "student": student("test"), "ceiling": ceiling("test")}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("weak", "strong"), [("gpt2", "llama"), ("neox", "gemma3")])
def test_the_recipe_and_the_library_agree_row_by_row(families, weak, strong, seed):
    made = rows(seed)
    expected = minimal().weak_to_strong(
        families[weak], families[strong], made, epochs=EPOCHS, batch=BATCH, lr=RATE, batches=batches_of(seed)
    )
    found = with_the_library(families[weak], families[strong], made, seed)
    truth_N = np.array([row["truth"] for row in made if row["split"] == "test"])
    for who, found_NK in found.items():
        assert np.ptp(found_NK[:, 1]) > 0.2  # there is something to agree on
        np.testing.assert_allclose(found_NK, expected[who], rtol=0, atol=1e-4)
        assert (found_NK.argmax(1) == truth_N).mean() == (expected[who].argmax(1) == truth_N).mean()


def test_the_recipe_runs_from_the_command_line(families, tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(0)[::4]))
    models = ["--weak", str(families["gpt2"]), "--strong", str(families["llama"])]
    monkeypatch.setattr(sys, "argv", ["minimal_text.py", "--rows", str(path), *models, "--lr", "0.003"])
    minimal().main()
    first, second = capsys.readouterr().out.splitlines()
    assert [word for word in first.split() if not word.endswith("%")] == ["weak", "student", "ceiling"]
    assert second.startswith("PGR")


def test_the_recipe_does_not_use_the_library():
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert not any(line.split()[:1] in (["import"], ["from"]) and "outgrow" in line for line in lines)
