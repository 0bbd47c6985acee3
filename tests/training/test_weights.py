"""What is kept of a trained model, and what loading it gives: the same predictions, and no trace of other runs."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from outgrow.errors import StepError
from outgrow.examples import Examples, Labels
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.models.weights import load_trained, save_trained
from outgrow.training.batches import encode
from outgrow.training.finetune import Compute, Schedule, Validation, finetune
from outgrow.training.inference import predict
from outgrow.training.losses import LOSSES, Moment

NUM = 24
ADAPTER = {"rank": 2, "alpha": 4.0, "seed": 7}
HEADS = ("class", "token", "reward", "completion")


def examples():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("!abcdefghijklmnop"), rng.integers(1, 14))) for _ in range(NUM)]
    ids = tuple(str(i) for i in range(NUM))
    truth_N = np.array([int("a" in text or "b" in text) for text in texts])
    return Examples(ids, ids, tuple(texts), truth_N, ((" no", " yes"),) * NUM)


def fresh(folder, head="class", adapter=None):
    return load_scorer(folder, head=head, options=("no", "yes"), verbalizer=("0", "1"), adapter=adapter)


def inputs_of(folder, head="class"):
    return encode(load_tokenizer(folder), examples(), head=head, limit=24)


def trained(folder, head="class", adapter=None, labels=None, **options):
    scorer = fresh(folder, head, adapter)
    finetune(
        scorer,
        inputs_of(folder, head),
        labels or Labels.from_truth(examples(), 2),
        schedule=Schedule(steps=12, batch=8, lr=1e-2, weight_decay=0.0, warmup=0.1),
        loss=LOSSES["cross-entropy"],
        loss_options={},
        moment=Moment(0.0, shared=True),
        rng=np.random.default_rng(0),
        compute=Compute(packed=True),
        **options,
    )
    return scorer


@pytest.mark.parametrize("adapter", [None, ADAPTER])
@pytest.mark.parametrize(("name", "head"), [("llama", head) for head in HEADS] + [("bert", "class"), ("gpt2", "class")])
def test_a_loaded_model_predicts_what_the_trained_one_did(families, tmp_path, name, head, adapter):
    """The released code built a model, never put the cached weights into it, and evaluated a zero head."""
    folder, inputs = families[name], inputs_of(families[name], head)
    scorer = trained(folder, head, adapter)
    path = tmp_path / "weights.safetensors"
    save_trained(scorer, path)
    loaded = fresh(folder, head)
    before = predict(loaded, inputs)
    load_trained(loaded, path)
    assert np.abs(predict(loaded, inputs) - before).max() > 1e-3
    np.testing.assert_array_equal(predict(loaded, inputs), predict(scorer, inputs))


def test_a_run_leaves_nothing_for_the_next(families, tmp_path):
    """In the released code a cached ceiling's weights became the start of the student that came next."""
    folder = families["llama"]
    untouched = predict(fresh(folder), inputs_of(folder))
    weak = Labels.from_dense(examples().ids, np.tile(np.float32([0.3, 0.7]), (NUM, 1)))
    alone = predict(trained(folder, labels=weak), inputs_of(folder))
    ceiling = trained(folder)
    save_trained(ceiling, tmp_path / "ceiling.safetensors")
    load_trained(fresh(folder), tmp_path / "ceiling.safetensors")
    np.testing.assert_array_equal(predict(fresh(folder), inputs_of(folder)), untouched)
    np.testing.assert_array_equal(predict(trained(folder, labels=weak), inputs_of(folder)), alone)


@pytest.mark.parametrize("name", ["llama", "gpt2", "neox", "bert"])
def test_lora_trains_a_few_numbers_and_the_head_and_keeps_only_those(families, tmp_path, name):
    folder = families[name]
    before = {key: value.clone() for key, value in fresh(folder, adapter=ADAPTER).state_dict().items()}
    scorer = trained(folder, adapter=ADAPTER)
    changed = {key for key, value in scorer.state_dict().items() if not torch.equal(value, before[key])}
    assert {"head.weight", "head.bias"} < changed
    assert all("lora_" in key or key.startswith("head.") for key in changed)
    assert sum("lora_B" in key for key in changed) >= 4
    save_trained(scorer, tmp_path / "weights.safetensors")
    kept = load_file(tmp_path / "weights.safetensors")
    assert changed <= set(kept)
    assert all("lora_" in key or key.startswith("head.") for key in kept)


def test_an_adapter_starts_where_the_model_is_and_is_drawn_from_its_seed(families):
    folder, inputs = families["llama"], inputs_of(families["llama"])
    state = torch.random.get_rng_state()
    one, same, other = (fresh(folder, adapter=ADAPTER | {"seed": seed}).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)
    np.testing.assert_array_equal(predict(fresh(folder, adapter=ADAPTER), inputs), predict(fresh(folder), inputs))


@pytest.mark.parametrize("adapter", [None, ADAPTER])
def test_the_best_check_is_put_back(families, adapter):
    folder = families["llama"]
    inputs, truth_N = inputs_of(folder), examples().truth_N
    told = []
    scorer = fresh(folder, adapter=adapter)
    validation = Validation(inputs, 1 - truth_N, checks=12)  # agreement falls while the truth is learnt
    found = finetune(
        scorer,
        inputs,
        Labels.from_truth(examples(), 2),
        schedule=Schedule(steps=24, batch=8, lr=4e-3 if adapter is None else 2e-2, weight_decay=0.0, warmup=0.1),
        loss=LOSSES["cross-entropy"],
        loss_options={},
        moment=Moment(0.0, shared=True),
        rng=np.random.default_rng(0),
        validation=validation,
        progress=lambda *each: told.append(each),
    )
    assert len(told) == 24
    assert max(found.agreement) > min(found.agreement)
    agreement = (predict(scorer, inputs).argmax(1) == 1 - truth_N).mean()
    assert agreement == pytest.approx(max(found.agreement))


def test_weights_of_another_model_are_refused(families, tmp_path):
    save_trained(trained(families["llama"]), tmp_path / "weights.safetensors")
    with pytest.raises(StepError, match="not those of this model and head"):
        load_trained(fresh(families["gpt2"]), tmp_path / "weights.safetensors")


@pytest.mark.parametrize("name", ["llama", "neox", "opt"])
def test_what_finetuning_as_language_changed_is_where_every_head_starts(families, tmp_path, name):
    """Of an unembedding that is not tied to the embeddings too."""
    folder, path = families[name], tmp_path / "weights.safetensors"
    scorer = trained(folder, "completion")
    save_trained(scorer, path)
    again = load_scorer(folder, head="completion", language=path)
    inputs = inputs_of(folder, "completion")
    np.testing.assert_array_equal(predict(again, inputs), predict(scorer, inputs))
    words = load_tokenizer(folder)(["0", "1"], add_special_tokens=False)["input_ids"]
    rows = scorer.head.weight[[ids[0] for ids in words]]
    head = load_scorer(folder, head="class", options=("no", "yes"), verbalizer=("0", "1"), language=path).head
    assert torch.equal(head.weight, rows)
    assert not torch.equal(head.weight, fresh(folder).head.weight)
    reward = load_scorer(folder, head="reward", verbalizer=("1",), language=path)
    assert torch.equal(reward.head.weight[0], rows[1])
    assert (reward.start, load_scorer(folder, head="reward").start) == ("unembedding", "zero")


def test_language_of_another_model_is_refused(families, tmp_path):
    save_trained(trained(families["llama"], "completion"), tmp_path / "weights.safetensors")
    for other in ("gpt2", "bert"):
        with pytest.raises(StepError, match="not those of this language model"):
            load_scorer(families[other], head="class", language=tmp_path / "weights.safetensors")
