"""Loading: tokenizers, and the backbone of a model folder in fp32 with its unembedding, where it has one.

Knows which class of transformers loads a folder; everything else about a model is found by running it (`packing`).
Legend: D width, V vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from outgrow.errors import StepError

GENERATIVE_NAMES = ("ForCausalLM", "LMHead")
LINEAR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Unembedding:
    """The map from the last hidden state to logits over the vocabulary: linear, then capped where the model does so."""

    linear: torch.nn.Linear
    cap: float | None


@dataclass(frozen=True)
class Pretrained:
    """A model as transformers loads it, and its unembedding: None for encoders and where there is no such head."""

    model: PreTrainedModel
    unembedding: Unembedding | None

    @property
    def backbone(self) -> PreTrainedModel:
        """Return the part of the model that ends with the last hidden state."""
        return self.model.base_model


def quiet() -> None:
    """Silence the library's progress bars, and its warning where rows are passed without an attention mask."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model folder, without running any code from it."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # each kind of tokenizer has errors of its own
        raise StepError(f"the tokenizer in {folder} cannot be loaded ({error}): fetch the model again") from error


def load_pretrained(folder: Path, *, dropout: float = 0.0) -> Pretrained:
    """Return the model of a folder in fp32, whatever its checkpoint is in, with every dropout at this probability.

    StepError where the folder lacks weights that the last hidden state depends on: they would be random numbers.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    _set_dropout(config, dropout)
    names = getattr(config, "architectures", None) or []
    generative = not names or any(part in name for name in names for part in GENERATIVE_NAMES)
    kind = AutoModelForCausalLM if generative else AutoModel
    model, report = kind.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    _check_complete(model, set(report["missing_keys"]), folder)
    linear = model.get_output_embeddings() if generative else None
    if linear is None:
        return Pretrained(model, None)
    return Pretrained(model, Unembedding(linear, getattr(config, "final_logit_softcapping", None)))


def load_language(pretrained: Pretrained, path: Path) -> None:
    """Put into a model the weights of a scorer of completions, as training left them: backbone and unembedding.

    Where the two are tied the file has them once.
    """
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    parts: dict[str, dict[str, torch.Tensor]] = {"backbone": {}, "head": {}}
    for name, tensor in state.items():
        part, _, inner = name.partition(".")
        parts.setdefault(part, {})[inner] = tensor
    _, odd = pretrained.backbone.load_state_dict(parts["backbone"], strict=False)
    if odd or not parts["backbone"] or len(parts) > 2 or pretrained.unembedding is None:
        raise StepError(f"the weights in {path} are not those of this language model, such as {[*odd, ''][0]}")
    if parts["head"]:
        pretrained.unembedding.linear.load_state_dict(parts["head"])


def check_unembedding(folder: Path, pretrained: Pretrained, *, head: str) -> Unembedding:
    """Return the unembedding if it gives the model's own logits; StepError where there is none or it does not."""
    unembedding, model = pretrained.unembedding, pretrained.model
    if unembedding is None:
        raise StepError(f"{folder} has no language model's head: the {head} head needs one; name a causal model")
    tokens_BT = torch.arange(1, 6)[None] % unembedding.linear.out_features
    with torch.no_grad():
        expected = model.eval()(tokens_BT).logits
        found = logits_of(unembedding, pretrained.backbone(tokens_BT).last_hidden_state)
    if not torch.allclose(expected, found, rtol=0, atol=LINEAR_TOLERANCE * float(1 + expected.abs().max())):
        raise StepError(
            f"{folder}: the logits of this architecture are not its unembedding of the last hidden state; "
            f"the {head} head needs that, the class head does not"
        )
    return unembedding


def logits_of(unembedding: Unembedding, hidden_D: torch.Tensor) -> torch.Tensor:
    """Return the logits over the vocabulary of hidden states (..., D) -> (..., V)."""
    return capped(unembedding.linear(hidden_D), unembedding.cap)


def capped(logits: torch.Tensor, cap: float | None) -> torch.Tensor:
    """Return cap x tanh(logits / cap), or the logits where there is no cap (Gemma 2, section 2)."""
    return logits if cap is None else cap * torch.tanh(logits / cap)


def _set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    """Set every probability of dropping something that the config names; whole layers are never dropped."""
    for part in {id(each): each for each in (config, config.get_text_config())}.values():
        for name, value in part.to_dict().items():
            if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(part, name, 0.0 if "layer" in name else dropout)


def _check_complete(model: Any, missing: set[str], folder: Path) -> None:
    """Raise StepError where a missing weight reaches the last hidden state; others, such as poolers, become zero."""
    if missing:
        missing &= _reaching_the_last_state(model)
    if missing:
        first = sorted(missing)[0]
        raise StepError(f"{folder} has no weights for {len(missing)} parts of the model, such as {first}")


def _reaching_the_last_state(model: Any) -> set[str]:
    """Return the names of the parameters that the last hidden state, or the logits, depend on; zero the others."""
    output = model.eval()(torch.arange(1, 4)[None])
    value = output.logits if hasattr(output, "logits") else output.last_hidden_state
    value.square().sum().backward()
    reached = {name for name, each in model.named_parameters(remove_duplicate=False) if each.grad is not None}
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.data.zero_()
        parameter.grad = None
    return reached
