"""The catalogue: sizes in order, folders as models, fingerprints that follow the bytes."""

import json
import shutil

import pytest

from outgrow.errors import StepError, UsageError
from outgrow.models.catalog import LADDERS, count_parameters, find_model, fingerprint, ladder, local_folder
from outgrow.models.sizes import non_embedding


def test_a_ladder_is_in_order_of_size(tiny_ladder):
    models = ladder("chess")
    assert list(models) == ["tiny-8", "tiny-12", "tiny-16"]
    assert [model.parameters for model in models.values()] == sorted(model.parameters for model in models.values())
    assert models["tiny-8"].folder == tiny_ladder["tiny-8"]


@pytest.mark.parametrize("width", [8, 12, 16])
def test_parameters_are_counted_without_embeddings(tiny_ladder, width):
    # One GPT-2 block: attention 4 w^2 + 4 w, MLP 8 w^2 + 5 w, two norms 4 w; then the final norm 2 w.
    expected = 12 * width**2 + 15 * width
    assert count_parameters(tiny_ladder[f"tiny-{width}"] / "model.safetensors") == expected


def test_learning_rates_come_with_the_ladder(tiny_ladder):
    model = find_model("tiny-8", "chess")
    assert model.default_lr("chess-puzzle") == 0.01
    with pytest.raises(UsageError, match=r"tiny-8 comes with no learning rate for lichess-puzzle: set training\.lr"):
        model.default_lr("lichess-puzzle")


def test_a_misspelt_size_is_refused_with_the_nearest_names(tiny_ladder):
    with pytest.raises(UsageError, match=r"unknown model 'tiny8': did you mean tiny-8.*name a folder"):
        find_model("tiny8", "chess")


def test_a_folder_is_a_model(tiny_ladder, tmp_path):
    shutil.copytree(tiny_ladder["tiny-12"], tmp_path / "mine")
    mine, shipped = find_model(str(tmp_path / "mine"), "chess"), find_model("tiny-12", "chess")
    assert (mine.fingerprint, mine.parameters) == (shipped.fingerprint, shipped.parameters)
    with pytest.raises(UsageError, match="no learning rate"):
        mine.default_lr("chess-puzzle")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_and_the_file_is_named(tiny_ladder, tmp_path, name):
    shutil.copytree(tiny_ladder["tiny-8"], tmp_path / "mine")
    (tmp_path / "mine" / name).unlink()
    with pytest.raises(UsageError, match=r"is not a model: it has no .*" + name.removeprefix("model")):
        find_model(str(tmp_path / "mine"), "chess")


def test_the_fingerprint_follows_the_files_that_make_a_model(tiny_ladder, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_ladder["tiny-8"], folder)
    before = fingerprint(folder)
    (folder / "card.json").write_text("{}")
    assert fingerprint(folder) == before == fingerprint(tiny_ladder["tiny-8"])
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        data = bytearray((folder / name).read_bytes())
        data[-1] ^= 1
        (folder / name).write_bytes(data)
        assert fingerprint(folder) != before
        before = fingerprint(folder)


@pytest.mark.parametrize("path", sorted(LADDERS.glob("*/*/card.json")), ids=lambda path: path.parent.name)
def test_the_card_of_a_shipped_model_tells_the_truth_about_its_file(path):
    card = json.loads(path.read_text())
    assert card["parameters"] == count_parameters(path.parent / "model.safetensors")
    assert card["size"] == path.parent.name


def test_encoders_are_models_and_others_are_refused_by_name(tiny_ladder, tmp_path):
    shutil.copytree(tiny_ladder["tiny-8"], tmp_path / "mine")
    config = tmp_path / "mine" / "config.json"
    data = json.loads(config.read_text())
    assert find_model(str(tmp_path / "mine")).kind == "causal"
    for architecture, model_type in (("BertModel", "bert"), ("RobertaForMaskedLM", "roberta")):
        config.write_text(json.dumps(data | {"architectures": [architecture], "model_type": model_type}))
        find_model.cache_clear()
        assert find_model(str(tmp_path / "mine")).kind == "encoder"
    config.write_text(json.dumps(data | {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}))
    find_model.cache_clear()
    with pytest.raises(UsageError, match="is a T5ForConditionalGeneration, not a causal language model and not an enc"):
        find_model(str(tmp_path / "mine"))


def test_a_tokenizer_of_other_files_will_do_and_counts_in_the_fingerprint(tiny_ladder, tmp_path):
    shutil.copytree(tiny_ladder["tiny-8"], tmp_path / "mine")
    (tmp_path / "mine" / "tokenizer.json").rename(tmp_path / "mine" / "vocab.txt")
    before = find_model(str(tmp_path / "mine")).fingerprint
    (tmp_path / "mine" / "vocab.txt").write_text("other")
    assert fingerprint(tmp_path / "mine") != before


def test_a_shard_that_is_not_there_is_named(tiny_ladder, tmp_path):
    shutil.copytree(tiny_ladder["tiny-8"], tmp_path / "mine")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tmp_path / "mine" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match=r"it has no model-00002-of-00002\.safetensors"):
        find_model(str(tmp_path / "mine"))


def test_a_worker_gets_the_folder_of_the_model_that_was_planned(tiny_ladder, tmp_path):
    shutil.copytree(tiny_ladder["tiny-8"], tmp_path / "mine")
    model = find_model(str(tmp_path / "mine"))
    assert local_folder(model.places["model"], model.fingerprint) == tmp_path / "mine"
    (tmp_path / "mine" / "tokenizer.json").write_text("{}")
    with pytest.raises(StepError, match="has changed since the study was planned"):
        local_folder(model.places["model"], model.fingerprint)


@pytest.mark.parametrize(
    "left_out",
    [
        ("bert.embeddings.word_embeddings.weight", [100, 8]),
        ("model.embed_tokens.weight", [100, 8]),
        ("embed_out.weight", [100, 8]),
        ("lm_head.weight", [100, 8]),
        ("gpt_neox.layers.0.attention.bias", [1, 1, 64, 64]),
        ("h.0.attn.bias", [1, 1, 64, 64]),
        ("gpt_neox.layers.0.attention.rotary_emb.inv_freq", [8]),
    ],
    ids=lambda pair: pair[0],
)
def test_neither_embeddings_nor_stored_tables_count(left_out):
    kept = {"layer.0.attention.dense.weight": [4, 8], "layer.0.attention.dense.bias": [4]}
    assert non_embedding(kept | dict([left_out])) == 36
