"""Step: all pretraining sequences in one place, each position once, held-out games apart."""

from typing import Any

from safetensors.numpy import load_file, save_file

from outgrow.chess.sequences import merged
from outgrow.dag.work import Context


def corpus(context: Context) -> dict[str, Any]:
    """Merge the sequences of every input into train.safetensors and held_out.safetensors."""
    parts = [load_file(each.path("sequences.safetensors")) for _, each in sorted(context.inputs.items())]
    train, held_out = merged(parts)
    save_file(train, context.folder / "train.safetensors")
    save_file(held_out, context.folder / "held_out.safetensors")
    return {
        "sequences": sum(len(part["game"]) for part in parts),
        "train": len(train["game"]),
        "held_out": len(held_out["game"]),
    }
