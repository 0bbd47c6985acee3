"""Models of the hub: pinned once, fetched without pickles or code, refused with a remedy."""

import json

import pytest
import yaml

from outgrow.errors import StepError, UsageError
from outgrow.hub import Lock
from outgrow.models.catalog import find_model, local_folder


def fetched(model):
    return local_folder(model.place, model.fingerprint)


def test_a_hub_model_is_known_by_name_and_revision(hub, gpt, tmp_path):
    at = hub.repo("model", "people/gpt").push("main", gpt)
    model = find_model("people/gpt", "", Lock(tmp_path / "study.lock.yaml"))
    assert (model.name, model.kind, model.parameters) == ("people/gpt", "causal", 32)  # without embeddings
    kept = yaml.safe_load((tmp_path / "study.lock.yaml").read_text())
    assert kept["models"]["people/gpt"]["revision"] == at
    assert at in model.place


def test_no_pickle_no_code_and_no_second_copy_is_fetched(hub, gpt):
    hub.repo("model", "people/gpt").push("main", gpt)
    folder = fetched(find_model("people/gpt", "", Lock()))
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    assert {path.name for path in folder.rglob("*") if path.is_file()} == wanted
    assert hub.files_asked() <= wanted | {"model.safetensors.index.json"}
    assert (folder / "model.safetensors").read_bytes() == gpt["model.safetensors"]


def test_what_is_locked_stays_when_the_hub_moves_on(hub, gpt, tmp_path):
    repo, path = hub.repo("model", "people/gpt"), tmp_path / "study.lock.yaml"
    first = repo.push("main", gpt)
    before = find_model("people/gpt", "", Lock(path))
    newer = gpt | {"tokenizer.json": b'{"new": 1}'}
    repo.push("main", newer)
    hub.asked.clear()
    after = find_model("people/gpt", "", Lock(path))
    assert hub.asked == []  # nothing is asked of what the lock has
    assert after.fingerprint == before.fingerprint
    assert first in after.place
    assert (fetched(after) / "tokenizer.json").read_bytes() == b"{}"
    path.unlink()
    fresh = find_model("people/gpt", "", Lock(path))
    assert fresh.fingerprint != before.fingerprint
    assert (fetched(fresh) / "tokenizer.json").read_bytes() == newer["tokenizer.json"]


def test_sharded_weights_are_counted_and_fetched_as_a_whole(hub, gpt):
    gpt["model-00001-of-00001.safetensors"] = gpt.pop("model.safetensors")
    names = ("transformer.wte.weight", "transformer.h.0.mlp.weight")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}
    hub.repo("model", "people/big").push("main", gpt | {"model.safetensors.index.json": json.dumps(index).encode()})
    model = find_model("people/big", "", Lock())
    assert model.parameters == 32
    assert (fetched(model) / "model-00001-of-00001.safetensors").is_file()


def test_offline_with_the_cache_all_goes_on_and_without_it_says_so(hub, gpt, tmp_path, monkeypatch):
    from huggingface_hub import constants

    hub.repo("model", "people/gpt").push("main", gpt)
    hub.repo("model", "people/other").push("main", gpt)
    lock = Lock(tmp_path / "study.lock.yaml")
    model, other = (find_model(f"people/{name}", "", lock) for name in ("gpt", "other"))
    folder = fetched(model)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetched(find_model("people/gpt", "", Lock(tmp_path / "study.lock.yaml"))) == folder
    with pytest.raises(
        StepError, match=r"people/other is not whole in the cache: it has no .*safetensors; .*HF_HUB_OFFLINE"
    ):
        fetched(other)
    with pytest.raises(UsageError, match=r"people/third is not in the cache, and HF_HUB_OFFLINE is set"):
        find_model("people/third", "", lock)


def test_an_unreachable_hub_is_one_message(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"people/gpt is needed and the hub cannot be reached: check the network, or"):
        find_model("people/gpt", "", Lock())


def test_a_name_that_is_not_there_and_one_that_is_gated_have_their_remedies(hub, gpt):
    hub.repo("model", "people/gated", gated=True).push("main", gpt)
    with pytest.raises(UsageError, match=r"people/gtp is not on the hub.*HF_TOKEN.*folder"):
        find_model("people/gtp", "", Lock())
    with pytest.raises(UsageError, match=r"people/gated is gated: accept its terms on the hub and set HF_TOKEN"):
        find_model("people/gated", "", Lock())


def test_a_model_without_safetensors_is_refused(hub, gpt):
    del gpt["model.safetensors"]
    hub.repo("model", "people/old").push("main", gpt)
    with pytest.raises(UsageError, match=r"people/old has no safetensors file"):
        find_model("people/old", "", Lock())
    assert "pytorch_model.bin" not in hub.files_asked()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "encoder"),
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, "causal"),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, None),
        ({"architectures": ["GPT2Model"], "model_type": "gpt2"}, None),
    ],
    ids=str,
)
def test_the_kind_of_model_is_told_by_its_config(hub, gpt, config, kind):
    hub.repo("model", "people/any").push("main", gpt | {"config.json": json.dumps(config).encode()})
    if kind:
        assert find_model("people/any", "", Lock()).kind == kind
    else:
        with pytest.raises(UsageError, match=f"people/any is a {config['architectures'][0]}, not a causal"):
            find_model("people/any", "", Lock())


def test_a_damaged_lock_is_named(tmp_path, hub):
    path = tmp_path / "study.lock.yaml"
    for text in ("[1, 2", "- 1", "models: {people/gpt: {revision: x}}"):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"study\.lock\.yaml is damaged"):
            find_model("people/gpt", "", Lock(path))


def test_without_a_lock_the_hub_is_not_asked(hub):
    with pytest.raises(UsageError, match="there is no model 'people/gpt'"):
        find_model("people/gpt")
    assert hub.asked == []
