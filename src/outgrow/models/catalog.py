"""Which models there are, by name: the sizes of the shipped ladder, or a folder with a Hugging Face model. No torch."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from outgrow.dag.canonical import digest
from outgrow.dag.store import file_sha256
from outgrow.errors import UsageError, unknown

LADDERS = Path(__file__).parents[1] / "assets" / "ladders"
HEADER_LIMIT = 100_000_000
"""Bytes: the most that the format allows a header."""
CAUSAL_NAMES = ("ForCausalLM", "LMHead")
EMBEDDING_NAMES = ("wte", "wpe", "embed", "lm_head")


@dataclass(frozen=True)
class Model:
    """A pretrained model: where it lies, the hash of its files, its size in non-embedding parameters."""

    name: str
    folder: Path
    fingerprint: str
    parameters: int
    card: dict[str, Any]

    def default_lr(self, task: str) -> float:
        """Return the shipped learning rate for this task; UsageError where none is shipped."""
        rates: dict[str, float] = self.card.get("learning_rates", {})
        if task not in rates:
            raise UsageError(
                f"the model {self.name} comes with no learning rate for {task}: set training.lr to a number or to tune"
            )
        return rates[task]


@cache
def ladder(name: str) -> dict[str, Model]:
    """Return the models of a shipped ladder by size, smallest first."""
    models = []
    rates = _json(LADDERS / name / "learning_rates.json")
    for path in (LADDERS / name).glob("*/card.json"):
        card = _json(path)
        card["learning_rates"] = rates.get(card["size"], {})
        models.append(Model(card["size"], path.parent, fingerprint(path.parent), card["parameters"], card))
    return {model.name: model for model in sorted(models, key=lambda model: model.parameters)}


@cache
def find_model(name: str, ladder_name: str) -> Model:
    """Return the model of this size in the ladder, or in this folder; UsageError names the nearest ones."""
    sizes = ladder(ladder_name)
    if name in sizes:
        return sizes[name]
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise unknown("model", name, sizes, remedy="Or name a folder with config.json and model.safetensors.")
    weights = sorted(folder.glob("*.safetensors"))
    missing = [n for n in ("config.json", "tokenizer.json") if not (folder / n).is_file()]
    if missing or not weights:
        raise UsageError(f"{folder} is not a model: it has no {' or '.join(missing) or '*.safetensors'}")
    _check_causal(folder)
    return Model(str(folder), folder, fingerprint(folder), sum(map(count_parameters, weights)), {})


def _check_causal(folder: Path) -> None:
    """Raise UsageError unless config.json is that of a causal language model.

    Others could be loaded as one all the same: with a head of random numbers, or reading what comes after.
    """
    try:
        names = _json(folder / "config.json").get("architectures") or []
    except (ValueError, AttributeError):
        raise UsageError(f"{folder / 'config.json'} is not a JSON object: fetch the model again") from None
    if names and not any(part in name for name in names for part in CAUSAL_NAMES):
        raise UsageError(
            f"{folder} is a {names[0]}, not a causal language model: name one whose config.json says "
            "...ForCausalLM or ...LMHeadModel under architectures"
        )


def _json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def fingerprint(folder: Path) -> str:
    """Return one hash of the files that make a model what it is: config, tokenizer and weights."""
    files = [folder / "config.json", folder / "tokenizer.json", *sorted(folder.glob("*.safetensors"))]
    return digest({path.name: file_sha256(path) for path in files if path.is_file()})


def count_parameters(path: Path) -> int:
    """Return the number of non-embedding parameters in a safetensors file, read from its header."""
    header = _safetensors_header(path)
    return sum(
        math.prod(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and not any(part in name for part in EMBEDDING_NAMES)
    )


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
