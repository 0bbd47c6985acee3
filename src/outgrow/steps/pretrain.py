"""Step: one chunk of a ladder model's pretraining; a chain of chunks is the whole."""

from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors

from outgrow.chess import pretraining
from outgrow.dag.work import Context
from outgrow.models.heads import quiet


def pretrain(context: Context) -> dict[str, Any]:
    """Go on from input `previous` (if there is one) for `chunk` steps on input `corpus`; write state.safetensors."""
    torch.set_num_threads(context.runtime.threads)
    quiet()
    recipe = pretraining.Recipe(**context.spec["recipe"])
    first = context.spec["first"]
    last = min(first + context.spec["chunk"], recipe.steps)
    model = pretraining.new_model(recipe)
    optimizers = pretraining.new_optimizers(model, recipe)
    if first:
        _restore(load_tensors(context.inputs["previous"].path("state.safetensors")), model, optimizers)
    data = _load(context, "train.safetensors")
    losses = []
    for loss in pretraining.train(model, optimizers, data, recipe, first=first, last=last):
        losses.append(loss)
        context.progress(len(losses) * recipe.batch, (last - first) * recipe.batch, "positions")
    save_tensors(_state(model, optimizers), context.folder / "state.safetensors")
    held_out = pretraining.evaluate(model, _load(context, "held_out.safetensors"))
    return {"steps": last, "positions": last * recipe.batch, "loss": float(np.mean(losses)), "held_out": held_out}


def _load(context: Context, name: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    arrays: dict[str, np.ndarray] = load_file(context.inputs["corpus"].path(name))
    return arrays


def _state(model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, torch.Tensor]:
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for i, optimizer in enumerate(optimizers):
        for j, slots in optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{i}.{j}.{name}": tensor for name, tensor in slots.items()}
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _restore(state: dict[str, torch.Tensor], model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    model.load_state_dict({name.removeprefix("model."): t for name, t in state.items() if name.startswith("model.")})
    for i, optimizer in enumerate(optimizers):
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            if name.startswith(f"optimizer.{i}."):
                _, _, index, slot = name.split(".", 3)
                slots.setdefault(int(index), {})[slot] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
