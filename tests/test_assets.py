"""What is shipped: the ladder's checkpoints are ordinary, small and what their cards say."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from outgrow.chess.encoding import vocabulary
from outgrow.dag.store import file_sha256
from outgrow.models.catalog import LADDERS, count_parameters, ladder
from outgrow.tasks import ASSETS, TASKS

OWED = ("25k", "0.1M", "0.34M")
MEGABYTE = 1_000_000


@pytest.mark.parametrize("size", OWED)
def test_a_checkpoint_loads_as_any_hugging_face_model_does(size):
    folder = ladder("chess")[size].folder
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    assert tokenizer.get_vocab() == {word: i for i, word in enumerate(vocabulary())}
    ids = tokenizer("Ke1 ke8 castle:- ep:- ? e1e2", return_tensors="pt")["input_ids"]
    logits = model(ids).logits
    assert logits.shape == (1, 6, len(vocabulary()))
    assert torch.isfinite(logits).all()
    assert model.get_input_embeddings().weight is not model.get_output_embeddings().weight


@pytest.mark.parametrize("size", OWED)
def test_a_card_tells_the_truth(size):
    folder = LADDERS / "chess" / size
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    weights = folder / "model.safetensors"
    assert card["sha256"] == file_sha256(weights)
    assert card["parameters"] == count_parameters(weights)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    names = [(name, p.numel()) for name, p in model.named_parameters()]
    assert card["parameters"] == sum(n for name, n in names if ".h." in name or "ln_f" in name)
    assert card["held_out"]["accuracy"] > 1 / 30  # better than a random legal move


def test_every_size_saw_the_same_number_of_positions():
    cards = [ladder("chess")[size].card for size in OWED]
    assert len({card["positions"] for card in cards}) == 1
    assert cards[0]["positions"] >= 8_000_000


def test_the_ladder_is_small_enough_to_ship():
    files = [path for path in LADDERS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 15 * MEGABYTE


def test_every_size_has_a_learning_rate_for_every_shipped_task():
    for size, model in ladder("chess").items():
        for task in TASKS.values():
            if task.asset:
                assert 0 < model.default_lr(task.name) < 0.1, (size, task.name)


def test_the_shipped_tasks_are_there_and_small():
    files = [ASSETS / task.asset for task in TASKS.values() if task.asset]
    assert all(path.is_file() for path in files)
    assert sum(path.stat().st_size for path in files) <= 5 * MEGABYTE
