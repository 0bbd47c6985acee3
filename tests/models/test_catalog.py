"""The catalogue: sizes in order, folders as models, fingerprints that follow the bytes."""

import json
import shutil

import pytest

from outgrow.errors import UsageError
from outgrow.models.catalog import LADDERS, count_parameters, find_model, fingerprint, ladder


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
