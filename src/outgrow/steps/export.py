"""Step: a pretrained size as an ordinary Hugging Face checkpoint in half precision, with its card."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from outgrow.chess.encoding import write_tokenizer
from outgrow.chess.ladder import SIZES
from outgrow.chess.pretraining import Recipe, new_model
from outgrow.dag.store import Artefact, file_sha256
from outgrow.dag.work import Context
from outgrow.models.catalog import count_parameters
from outgrow.models.heads import quiet


def export(context: Context) -> dict[str, Any]:
    """Write config.json, model.safetensors, tokenizer.json and card.json from the last chunk of input `chunk_...`."""
    chunks = [each for name, each in sorted(context.inputs.items()) if name.startswith("chunk")]
    quiet()
    recipe = Recipe(**context.spec["recipe"])
    model = new_model(recipe)
    state = load_file(chunks[-1].path("state.safetensors"))
    model.load_state_dict({name.removeprefix("model."): t for name, t in state.items() if name.startswith("model.")})
    model.to(torch.float16).save_pretrained(context.folder)
    write_tokenizer(context.folder)
    weights = context.folder / "model.safetensors"
    card = _card(recipe, weights, chunks, context.inputs["corpus"])
    (context.folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _card(recipe: Recipe, weights: Path, chunks: list[Artefact], corpus: Artefact) -> dict[str, Any]:
    width, layers, heads = SIZES[recipe.size]
    provenance = chunks[-1].record["provenance"]
    return {
        "size": recipe.size,
        "parameters": count_parameters(weights),
        "width": width,
        "layers": layers,
        "heads": heads,
        "sha256": file_sha256(weights),
        "licence": "MIT",
        "trained_on": (
            "moves as played by Stockfish 15 at mixed strength in seeded self-play, from positions of odd hash only"
        ),
        "corpus": {name: corpus.outputs[name] for name in ("train", "held_out")},
        "positions": chunks[-1].outputs["positions"],
        "steps": chunks[-1].outputs["steps"],
        "seed": recipe.seed,
        "batch": recipe.batch,
        "seconds": round(sum(chunk.record["provenance"]["seconds"] for chunk in chunks)),
        "hardware": f"1 thread of {provenance['cpu'] or provenance['platform']}",
        "packages": provenance["packages"],
        "held_out": chunks[-1].outputs["held_out"],
        "curve": [[chunk.outputs["positions"], round(chunk.outputs["held_out"]["accuracy"], 4)] for chunk in chunks],
    }
