"""Heads on tiny GPT-2 models: the last real token decides, and the token head is the LM head's rows."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from outgrow.chess.encoding import move_words
from outgrow.errors import StepError
from outgrow.examples import Examples
from outgrow.models.heads import load_scorer, load_tokenizer, option_ids
from outgrow.training.batches import encode
from outgrow.training.inference import predict

TEXTS = ("Ke1 ke8 castle:- ep:- ?", "Ke1 Pa2 Ph2 Qd1 ke8 pa7 rh8 castle:KQ ep:a ?", "Kg1 ke8 ?", "?")


def inputs_of(folder, texts):
    ids = tuple(str(i) for i in range(len(texts)))
    rows = Examples(ids, ids, tuple(texts), np.zeros(len(texts), np.int64))
    return encode(load_tokenizer(folder), rows, head="class", limit=48)


@pytest.fixture
def tiny(tiny_ladder):
    folder = tiny_ladder["tiny-8"]
    return folder, inputs_of(folder, TEXTS)


def test_a_row_has_the_same_logits_alone_and_padded_in_a_batch(tiny):
    folder, tokens = tiny
    scorer = load_scorer(folder, head="token", options=move_words())
    together_BK = scorer(tokens.batch(np.arange(len(TEXTS))))
    for row in range(len(TEXTS)):
        alone_BK = scorer(tokens.batch(np.array([row])))
        torch.testing.assert_close(together_BK[row], alone_BK[0], rtol=1e-4, atol=1e-5)


def test_the_token_head_is_the_language_model_restricted_to_the_options(tiny):
    folder, tokens = tiny
    options = move_words()[::7]
    logits_BK = load_scorer(folder, head="token", options=options)(tokens.batch(np.arange(len(TEXTS))))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), load_tokenizer(folder)
    ids = option_ids(tokenizer, options)
    for row, text in enumerate(TEXTS):
        encoded = tokenizer([text], add_special_tokens=False, return_tensors="pt")["input_ids"]
        expected_K = model(encoded).logits[0, -1, ids]
        torch.testing.assert_close(logits_BK[row], expected_K, rtol=1e-4, atol=1e-5)


def test_option_ids_are_the_words_of_the_options(tiny):
    tokenizer = load_tokenizer(tiny[0])
    assert tokenizer.convert_ids_to_tokens(option_ids(tokenizer, ("e2e4", "a7a8q"))) == ["e2e4", "a7a8q"]


@pytest.mark.parametrize("option", ["e2e5x", "e2e4 e7e5", ""])
def test_an_option_that_is_not_one_token_is_refused_by_name(tiny, option):
    with pytest.raises(StepError, match=f"the option {option!r} is not one token"):
        load_scorer(tiny[0], head="token", options=("e2e4", option))


def test_the_class_head_starts_undecided(tiny):
    folder, tokens = tiny
    scorer = load_scorer(folder, head="class", options=("good", "bad"))
    np.testing.assert_array_equal(predict(scorer, tokens), np.full((len(TEXTS), 2), 0.5))
    assert all(parameter.requires_grad for parameter in scorer.parameters())


def test_logits_are_single_precision_whatever_the_checkpoint_is(tiny, tmp_path):
    folder, tokens = tiny
    half = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16)
    half.save_pretrained(tmp_path)
    load_tokenizer(folder).save_pretrained(tmp_path)
    scorer = load_scorer(tmp_path, head="token", options=move_words())
    assert {parameter.dtype for parameter in scorer.parameters()} == {torch.float32}
    assert scorer(tokens.batch(np.array([0]))).dtype == torch.float32


def test_rows_are_predicted_in_their_own_order(tiny):
    folder, tokens = tiny
    scorer = load_scorer(folder, head="token", options=move_words())
    forwards = predict(scorer, tokens)
    backwards = predict(scorer, inputs_of(folder, TEXTS[::-1]))
    np.testing.assert_allclose(backwards[::-1], forwards, atol=1e-6)
