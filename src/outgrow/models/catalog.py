"""Which models there are, by name: sizes of the shipped ladder, folders with a model, hub models. No torch."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from outgrow.dag.canonical import digest
from outgrow.dag.store import file_sha256
from outgrow.errors import StepError, UsageError, unknown
from outgrow.hub import REPO, Lock, from_hub_place, hub_place, model_folder
from outgrow.models.sizes import non_embedding

LADDERS = Path(__file__).parents[1] / "assets" / "ladders"
HEADER_LIMIT = 100_000_000
"""Bytes: the most that the format allows a header."""
CAUSAL_NAMES = ("ForCausalLM", "LMHead")
ENCODERS = (
    "albert",
    "bert",
    "camembert",
    "convbert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "eurobert",
    "funnel",
    "ibert",
    "layoutlm",
    "longformer",
    "megatron-bert",
    "mobilebert",
    "modernbert",
    "mpnet",
    "mra",
    "nezha",
    "nomic_bert",
    "roberta",
    "roberta-prelayernorm",
    "roformer",
    "squeezebert",
    "xlm-roberta",
    "xlm-roberta-xl",
)
"""The values of model_type whose models read a whole text at once."""
TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("tokenizer.model",),
    ("sentencepiece.bpe.model",),
)
"""The files from any one of which a tokenizer can be made."""

Kind = Literal["causal", "encoder"]


@dataclass(frozen=True)
class Model:
    """A pretrained model: where it lies, what identifies it, its size in non-embedding parameters, how it reads.

    place: a folder, or what `hub_place` makes of a hub name and a revision. fingerprint: the hash of its files, or of
    name and revision.
    """

    name: str
    place: str
    fingerprint: str
    parameters: int
    card: dict[str, Any]
    kind: Kind = "causal"

    @property
    def places(self) -> dict[str, str]:
        """What a step that uses the model is told of where it lies."""
        return {"model": self.place}

    @property
    def identity(self) -> dict[str, str]:
        """What a step's spec says of the model: its fingerprint, and name and revision where it is the hub's."""
        pinned = from_hub_place(self.place)
        named = {"hub": pinned[0], "revision": pinned[1]} if pinned else {}
        return {"fingerprint": self.fingerprint} | named

    @property
    def folder(self) -> Path:
        """The folder of a model that lies in one; UsageError for a hub model, which a worker fetches."""
        if from_hub_place(self.place):
            raise UsageError(f"the model {self.name} is on the hub: it has no folder before a worker fetches it")
        return Path(self.place)

    def default_lr(self, task: str) -> float:
        """Return the shipped learning rate for this task; UsageError where none is shipped."""
        rates: dict[str, float] = self.card.get("learning_rates", {})
        if task not in rates:
            raise UsageError(
                f"the model {self.name} comes with no learning rate for {task}: set training.lr to a number or to tune"
            )
        return rates[task]


def local_folder(place: str, expected: str) -> Path:
    """Return the folder of a model's place, in the worker: a hub model is fetched at its revision.

    StepError where it is not the model of the expected fingerprint any more.
    """
    pinned = from_hub_place(place)
    if pinned:
        found, folder = digest({"hub": pinned[0], "revision": pinned[1]}), None
    else:
        found, folder = fingerprint(Path(place)), Path(place)
    if found != expected:
        raise StepError(f"the model in {place} has changed since the study was planned: run the study again")
    return folder or _fetched(*pinned or ("", ""))


def _fetched(name: str, revision: str) -> Path:
    folder = model_folder(name, revision)
    lacking = _lacking(folder)
    if lacking:  # planning leaves a config.json in the cache, which is then all that is there without a network
        raise StepError(
            f"the model {name} is not whole in the cache: it has no {' or '.join(lacking)}; fetch it while the hub can "
            "be reached and HF_HUB_OFFLINE is not set"
        )
    return folder


@cache
def ladder(name: str) -> dict[str, Model]:
    """Return the models of a shipped ladder by size, smallest first."""
    models = []
    rates = _json(LADDERS / name / "learning_rates.json")
    for path in (LADDERS / name).glob("*/card.json"):
        card = _json(path)
        card["learning_rates"] = rates.get(card["size"], {})
        models.append(Model(card["size"], str(path.parent), fingerprint(path.parent), card["parameters"], card))
    return {model.name: model for model in sorted(models, key=lambda model: model.parameters)}


@cache
def find_model(name: str, ladder_name: str = "", lock: Lock | None = None) -> Model:
    """Return the model of this size in the ladder, in this folder, or of this name on the hub.

    A hub name has a slash, as in EleutherAI/pythia-70m; without a lock the hub is not asked. UsageError names the
    nearest sizes, or what the folder or the hub lacks.
    """
    sizes = ladder(ladder_name) if ladder_name else {}
    if name in sizes:
        return sizes[name]
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _in_folder(folder)
    if lock is not None and REPO.match(name) and not name.startswith("."):
        return _on_hub(name, lock)
    remedy = "Or name a folder with config.json and model.safetensors"
    remedy += ", or a model of the hub with its owner, as in EleutherAI/pythia-70m." if lock is not None else "."
    if not sizes:
        raise UsageError(f"there is no model {name!r}. {remedy}")
    raise unknown("model", name, sizes, remedy=remedy)


def _in_folder(folder: Path) -> Model:
    lacking = _lacking(folder)
    if lacking:
        raise UsageError(f"{folder} is not a model: it has no {' or '.join(lacking)}")
    weights = sorted(folder.glob("*.safetensors"))
    try:
        config = _json(folder / "config.json")
        names, model_type = list(config.get("architectures") or []), str(config.get("model_type", ""))
    except (ValueError, AttributeError, TypeError):
        raise UsageError(f"{folder / 'config.json'} is not a JSON object: fetch the model again") from None
    kind = model_kind(str(folder), names, model_type)
    return Model(str(folder), str(folder), fingerprint(folder), sum(map(count_parameters, weights)), {}, kind)


def _lacking(folder: Path) -> list[str]:
    """Return what a folder lacks that a model needs: config, a tokenizer, all its weights."""
    lacking = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZERS):
        lacking.append("tokenizer.json")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(_json(index).get("weight_map", {}).values())
        lacking += sorted(name for name in shards if not (folder / name).is_file())
    elif not any(folder.glob("*.safetensors")):
        lacking.append("*.safetensors")
    return lacking


def _on_hub(name: str, lock: Lock) -> Model:
    pin = lock.model(name)
    kind = model_kind(f"the model {name}", pin.architectures, pin.model_type)
    identity = digest({"hub": name, "revision": pin.revision})
    return Model(name, hub_place(name, pin.revision), identity, pin.parameters, {}, kind)


def model_kind(what: str, architectures: list[str], model_type: str) -> Kind:
    """Return how a model of this config reads: a causal language model, or an encoder of whole texts.

    Others raise UsageError: they could be loaded as one all the same, with a head of random numbers, or reading what
    comes after.
    """
    if any(part in name for name in architectures for part in CAUSAL_NAMES):
        return "causal"
    if model_type in ENCODERS:
        return "encoder"
    if not architectures:  # saved by hand; what it is shows when it is loaded
        return "causal"
    raise UsageError(
        f"{what} is a {architectures[0]}, not a causal language model and not an encoder like BERT: name one whose "
        "config.json says ...ForCausalLM or ...LMHeadModel under architectures, or an encoder's model_type"
    )


def _json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def fingerprint(folder: Path) -> str:
    """Return one hash of the files that make a model what it is: config, tokenizer and weights."""
    tokenizer = [folder / "tokenizer.json"]
    if not tokenizer[0].is_file():  # then it is made from these
        others = [name for names in TOKENIZERS[1:] for name in names]
        tokenizer = [folder / name for name in (*others, "tokenizer_config.json")]
    files = [folder / "config.json", *tokenizer, *sorted(folder.glob("*.safetensors"))]
    return digest({path.name: file_sha256(path) for path in files if path.is_file()})


def count_parameters(path: Path) -> int:
    """Return the number of non-embedding parameters in a safetensors file, read from its header."""
    header = _safetensors_header(path)
    return non_embedding({name: entry["shape"] for name, entry in header.items() if name != "__metadata__"})


def _safetensors_header(path: Path) -> dict[str, Any]:
    """Return what a safetensors file says of its tensors; UsageError where the file is not whole."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header: dict[str, Any] = json.loads(file.read(min(length, HEADER_LIMIT)))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{path} is not a safetensors file: fetch the model again") from None
    expected, size = 8 + length + max(ends, default=0), path.stat().st_size
    if size != expected:
        raise UsageError(f"{path} has {size:,} bytes, not the {expected:,} it should have: fetch the model again")
    return header
