"""What training changed of a scorer, as safetensors: all of it, or an adapter and the head."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from outgrow.errors import StepError
from outgrow.models.adapters import Adapter, add_adapter
from outgrow.models.heads import Scorer


def trained_state(scorer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors that training changes, each once though two names share it; they are not copied."""
    if getattr(scorer, "adapter", None) is not None:
        return {name: each.detach() for name, each in scorer.named_parameters() if each.requires_grad}
    state = scorer.state_dict()
    first = {id(each): name for name, each in reversed(list(scorer.named_parameters(remove_duplicate=False)))}
    tied = {name for name, each in scorer.named_parameters(remove_duplicate=False) if first[id(each)] != name}
    return {name: tensor for name, tensor in state.items() if name not in tied}


def load_state(scorer: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put such tensors back, into a scorer that was made in the same way; StepError where it was not."""
    expected = set(trained_state(scorer))
    if set(state) != expected:
        odd = sorted(set(state) ^ expected)
        raise StepError(f"the weights are not those of this model and head: {len(odd)} differ, such as {odd[0]}")
    scorer.load_state_dict(dict(state), strict=False)


def save_trained(scorer: Scorer, path: Path, *, whole: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write what training changed to this file, with the adapter that it belongs to.

    `whole`: every weight of a scorer that is sharded, whose own are parts.
    """
    trained = trained_state(scorer)
    state = {name: (whole or trained)[name].contiguous().cpu() for name in trained}
    metadata = None if scorer.adapter is None else {"adapter": json.dumps(asdict(scorer.adapter))}
    save_file(state, path, metadata=metadata)


def load_head(scorer: Scorer, path: Path) -> None:
    """Put a probe's weight and bias into the head of a scorer."""
    with safe_open(path, framework="pt") as file, torch.no_grad():
        scorer.head.weight.copy_(file.get_tensor("weight"))
        if scorer.head.bias is not None:
            scorer.head.bias.copy_(file.get_tensor("bias"))


def load_trained(scorer: Scorer, path: Path) -> None:
    """Turn a freshly loaded scorer into the trained one of this file, with its adapter if it has one."""
    device = next(scorer.parameters()).device
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    if "adapter" in metadata and scorer.adapter is None:
        scorer.adapter = Adapter(**json.loads(metadata["adapter"]))
        add_adapter(scorer.backbone, scorer.adapter)
        scorer.to(device)
    load_state(scorer, state)
