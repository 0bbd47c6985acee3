"""Every head on every family of models, against a plain reference that runs one row at a time."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from outgrow.errors import StepError
from outgrow.examples import PAD_LOGIT, Examples
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.training.batches import encode
from outgrow.training.inference import features, predict

CAUSAL = ("gpt2", "neox", "opt", "qwen3", "mistral", "llama", "gemma2", "gemma3")
ENCODERS = ("bert", "bert-mlm", "roberta", "distilbert", "modernbert", "deberta")
PADDED_ONLY = ("gemma2", "deberta")
"""Gemma 2 caps its attention, DeBERTa has an attention of its own."""
TEXTS = ("a b c", "a", "! a ! b ! !", "c d e f g h i j k l", "0 !", "m n o p a b c d", "b c d", "p")
COMPLETIONS = ((" yes", " no"), (" yes", " no", " a b c"), (" !", " ! !"), (" a", " b"), (" yes no", " no"))
LIMIT = 24


def examples_of(texts=TEXTS, completions=()):
    ids = tuple(f"r{i}" for i in range(len(texts)))
    return Examples(ids, ids, tuple(texts), np.zeros(len(texts), np.int64), completions)


def inputs_of(folder, head, examples, **options):
    return encode(load_tokenizer(folder), examples, head=head, limit=LIMIT, **options)


def plain_model(folder):
    names = AutoConfig.from_pretrained(folder).architectures[0]
    kind = AutoModelForCausalLM if "Causal" in names or "LMHead" in names else AutoModel
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


@torch.no_grad()
def states_of(model, tokenizer, text):
    """Return the hidden states of one row by itself, (T, D)."""
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    return model.base_model(ids).last_hidden_state[0]


def both_ways(scorer, batch):
    with torch.no_grad():
        return scorer(batch), scorer(batch, packed=True)


def agree(found, expected):
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", CAUSAL + ENCODERS)
def test_class_head(families, name):
    folder = families[name]
    scorer = load_scorer(folder, head="class", options=("bad", "good"), verbalizer=("0", "1"))
    with torch.no_grad():
        scorer.head.weight += 0.1 * torch.arange(scorer.head.weight.numel()).view_as(scorer.head.weight).sin()
        scorer.head.bias[:] = torch.tensor([0.3, -0.2])
    model, tokenizer = plain_model(folder), load_tokenizer(folder)
    states = [states_of(model, tokenizer, text) for text in TEXTS]
    read = torch.stack([each[-1] if name in CAUSAL else each.mean(0) for each in states])
    inputs = inputs_of(folder, "class", examples_of())
    for found in both_ways(scorer, inputs.batch(np.arange(len(TEXTS)))):
        agree(found, read @ scorer.head.weight.detach().T + scorer.head.bias.detach())
    for packed in (False, True):
        agree(torch.from_numpy(features(scorer, inputs, packed=packed)), read)
        agree(torch.from_numpy(predict(scorer, inputs, packed=packed)), scorer.head(read).softmax(1).detach())
    assert scorer.manner.packs == (name not in PADDED_ONLY)
    assert scorer.manner.causal == (name in CAUSAL)


@pytest.mark.parametrize("name", CAUSAL)
def test_token_head_is_the_language_model_restricted_to_the_options(families, name):
    folder, options = families[name], ("yes", "no", "a", "!")
    scorer = load_scorer(folder, head="token", options=options)
    model, tokenizer = plain_model(folder), load_tokenizer(folder)
    ids = [tokenizer.get_vocab()[option] for option in options]
    with torch.no_grad():
        rows = [model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1, ids] for text in TEXTS]
    for found in both_ways(scorer, inputs_of(folder, "token", examples_of()).batch(np.arange(len(TEXTS)))):
        agree(found, torch.stack(rows))


def completion_rows():
    return examples_of(TEXTS[: len(COMPLETIONS)], COMPLETIONS)


@pytest.mark.parametrize("name", CAUSAL)
def test_completion_head_sums_the_log_probabilities_of_the_completion(families, name):
    folder, rows = families[name], completion_rows()
    model, tokenizer = plain_model(folder), load_tokenizer(folder)
    expected = torch.full((len(rows), 3), PAD_LOGIT)
    for r, (text, options) in enumerate(zip(rows.texts, rows.completions, strict=True)):
        for k, option in enumerate(options):
            ids = tokenizer(text + option)["input_ids"]
            number = len(tokenizer(option, add_special_tokens=False)["input_ids"])
            with torch.no_grad():
                log_TV = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            expected[r, k] = sum(log_TV[i - 1, ids[i]] for i in range(len(ids) - number, len(ids)))
    scorer = load_scorer(folder, head="completion")
    for found in both_ways(scorer, inputs_of(folder, "completion", rows).batch(np.arange(len(rows)))):
        agree(found, expected)


@pytest.mark.parametrize("name", CAUSAL + ENCODERS)
def test_reward_head_is_one_number_for_every_option(families, name):
    folder, rows = families[name], completion_rows()
    scorer = load_scorer(folder, head="reward", verbalizer=("1",))
    with torch.no_grad():
        scorer.head.weight += torch.arange(scorer.head.weight.numel()).sin()
    model, tokenizer = plain_model(folder), load_tokenizer(folder)
    expected = torch.full((len(rows), 3), PAD_LOGIT)
    for r, (text, options) in enumerate(zip(rows.texts, rows.completions, strict=True)):
        for k, option in enumerate(options):
            states = states_of(model, tokenizer, text + option)
            expected[r, k] = (states[-1] if name in CAUSAL else states.mean(0)) @ scorer.head.weight.detach()[0]
    for found in both_ways(scorer, inputs_of(folder, "reward", rows).batch(np.arange(len(rows)))):
        agree(found, expected)
    assert scorer.head.bias is None
    assert features(scorer, inputs_of(folder, "reward", rows)).shape == (len(rows), 3, scorer.head.in_features)


def test_shared_words_are_the_options_of_every_row(families):
    folder = families["qwen3"]
    scorer = load_scorer(folder, head="completion")
    words = inputs_of(folder, "completion", examples_of(), words=(" no", " yes"))
    listed = inputs_of(folder, "completion", examples_of(completions=((" no", " yes"),) * len(TEXTS)))
    np.testing.assert_array_equal(predict(scorer, words), predict(scorer, listed))


def test_an_option_that_a_row_lacks_has_no_probability(families):
    folder = families["qwen3"]
    inputs = inputs_of(folder, "completion", completion_rows(), num_options=4)
    probabilities_NK = predict(load_scorer(folder, head="completion"), inputs)
    assert probabilities_NK.shape == (5, 4)
    assert [int((row > 0).sum()) for row in probabilities_NK] == [2, 3, 2, 2, 2]
    np.testing.assert_allclose(probabilities_NK.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["qwen3", "llama", "bert"])
def test_a_long_row_loses_its_beginning_and_keeps_its_special_tokens_and_its_option(families, name):
    tokenizer = load_tokenizer(families[name])
    long = examples_of((" ".join("abcdefghijklmnop" * 3),), ((" no yes", " yes"),))
    dressed = tokenizer("a")["input_ids"]
    before, after = dressed[: len(dressed) - 1 - (name == "bert")], dressed[len(dressed) - (name == "bert") :]
    inputs = encode(tokenizer, long, head="class", limit=10)
    kept = tokenizer(" ".join("abcdefghijklmnop"[-(10 - len(before) - len(after)) :]), add_special_tokens=False)
    assert inputs.batch(np.array([0])).flat_T.tolist() == before + kept["input_ids"] + after
    batch = encode(tokenizer, long, head="reward", limit=10).batch(np.array([0]))
    assert batch.length_S.tolist() == [10, 10]
    place = batch.option_S.tolist().index(0)
    first = batch.flat_T[10 * place : 10 * place + 10][batch.scored_S[place] : 10 - len(after)]
    assert tokenizer.convert_ids_to_tokens(first.tolist()) == ["no", "yes"]


@pytest.mark.parametrize("name", CAUSAL + ENCODERS)
def test_what_stands_in_the_padding_changes_nothing(families, name):
    folder = families[name]
    scorer = load_scorer(folder, head="class", options=("bad", "good"))
    with torch.no_grad():
        scorer.head.weight[:] = torch.arange(scorer.head.weight.numel()).view_as(scorer.head.weight).sin()
    inputs = inputs_of(folder, "class", examples_of())
    first, other = (type(inputs)(**vars(inputs) | {"pad": pad}).batch(np.arange(len(TEXTS))) for pad in (inputs.pad, 3))
    with torch.no_grad():
        torch.testing.assert_close(scorer(first), scorer(other), rtol=0, atol=1e-5)


def test_the_start_of_the_class_head(families):
    for name, start in (("llama", "unembedding"), ("neox", "unembedding"), ("bert", "zero")):
        scorer = load_scorer(families[name], head="class", options=("bad", "good"), verbalizer=("0", "1"))
        assert scorer.start == start
        ids = [load_tokenizer(families[name]).get_vocab()[word] for word in "01"]
        model = plain_model(families[name])
        weight = model.get_output_embeddings().weight[ids] if start == "unembedding" else torch.zeros(2, 16)
        assert torch.equal(scorer.head.weight, weight)
        assert torch.equal(scorer.head.bias, torch.zeros(2))
    assert load_scorer(families["llama"], head="class", options=("bad", "good")).head.weight.abs().max() == 0


@pytest.mark.parametrize("words", [("0",), ("0", "0"), ("0", "word")])
def test_verbalizer_words_that_cannot_start_a_head_are_refused(families, words):
    with pytest.raises(StepError, match="verbalizer words"):
        load_scorer(families["llama"], head="class", options=("bad", "good"), verbalizer=words)


@pytest.mark.parametrize("head", ["token", "completion"])
def test_an_encoder_has_no_language_model_head(families, head):
    with pytest.raises(StepError, match=f"no language model's head: the {head} head needs one"):
        load_scorer(families["bert"], head=head, options=("yes", "no"))


@pytest.mark.parametrize("name", CAUSAL + ENCODERS)
def test_dropout_is_off_unless_asked_for_whatever_the_checkpoint_says(families, name):
    batch = inputs_of(families[name], "class", examples_of()).batch(np.arange(len(TEXTS)))
    for dropout in (0.0, 0.5):
        scorer = load_scorer(families[name], head="class", options=("bad", "good"), dropout=dropout)
        with torch.no_grad():
            scorer.head.weight[:] = 1 + torch.arange(2.0)[:, None]
            trained, evaluated = (scorer.train(mode)(batch, packed=True) for mode in (True, False))
        assert torch.equal(trained, evaluated) == (dropout == 0)


@pytest.mark.parametrize(("name", "part"), [("llama", "q_proj"), ("bert", "query")])
def test_a_model_without_some_of_its_weights_is_refused(families, tmp_path, name, part):
    for file in families[name].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    kept = {
        key: value
        for key, value in weights.items()
        if f"layers.1.self_attn.{part}" not in key and f"layer.1.attention.self.{part}" not in key
    }
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StepError, match="has no weights for"):
        load_scorer(tmp_path, head="class", options=("bad", "good"))


def test_weights_that_nothing_reads_may_be_missing_and_are_no_random_numbers(families):
    one, other = (load_scorer(families["bert-mlm"], head="class", options=("bad", "good")) for _ in range(2))
    assert "backbone.pooler.dense.weight" in one.state_dict()
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_sequences_longer_than_an_untried_window_are_padded(families, monkeypatch):
    from outgrow.models import packing

    monkeypatch.setattr(packing, "PROBED_WINDOW", 0)
    scorer = load_scorer(families["gemma3"], head="class", options=("bad", "good"))
    assert scorer.manner.window == 4
    runs = []
    monkeypatch.setattr(packing, "_run_packed", lambda *args: runs.append(1) or packing._run_padded(*args))
    inputs = inputs_of(families["gemma3"], "class", examples_of())
    scorer(inputs.batch(np.array([1, 4])), packed=True)
    assert runs == [1]
    scorer(inputs.batch(np.array([1, 3])), packed=True)
    assert runs == [1]
