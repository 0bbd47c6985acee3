"""LoRA: low-rank updates of a frozen backbone's linear layers, by peft (Hu et al. 2021)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Adapter:
    """A LoRA of this rank and scale (alpha / rank), its random half drawn from `seed`, the other half zero."""

    rank: int
    alpha: float
    dropout: float = 0.0
    seed: int = 0

    @classmethod
    def of(cls, plain: "Mapping[str, Any] | Adapter | None") -> "Adapter | None":
        """Return the adapter of plain data (rank, alpha, and maybe dropout and seed); None for nothing."""
        return cls(**plain) if isinstance(plain, Mapping) and plain else plain or None  # type: ignore[return-value]


def add_adapter(backbone: PreTrainedModel, adapter: Adapter) -> None:
    """Put the adapter into every linear layer of the backbone, in place; nothing else of it trains from then on."""
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

    scale: dict[str, Any] = {"r": adapter.rank, "lora_alpha": adapter.alpha, "lora_dropout": adapter.dropout}
    config = LoraConfig(target_modules="all-linear", **scale)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that it adapts itself to transposed layers (GPT-2)
        torch.manual_seed(adapter.seed)
        inject_adapter_in_model(config, backbone)
