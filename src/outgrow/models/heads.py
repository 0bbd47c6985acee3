"""Heads: how a language model scores the options of a row. The only place where an architecture is touched.

Legend: B rows, T tokens, D width, K options.
"""

from pathlib import Path
from typing import Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from outgrow.errors import StepError


class Scorer(torch.nn.Module):
    """A backbone and a linear head over its hidden state at the last real token: tokens_BT -> logits_BK.

    `token`: the head is the LM head's rows of the option tokens. `class`: K rows that start at zero.
    """

    def __init__(self, backbone: PreTrainedModel, head: torch.nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, tokens_BT: torch.Tensor, length_B: torch.Tensor) -> torch.Tensor:
        """Return the logits of rows padded on the right; the last real token is at `length - 1`."""
        # Attention is causal and padding is on the right: no real token sees it, so no mask is needed.
        hidden_BTD = self.backbone(tokens_BT, use_cache=False).last_hidden_state
        logits_BK: torch.Tensor = self.head(hidden_BTD[torch.arange(len(length_B)), length_B - 1])
        return logits_BK.float()


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


def load_scorer(folder: Path, *, head: Literal["class", "token"], options: tuple[str, ...]) -> Scorer:
    """Return the model of a folder in fp32 with a head over these options.

    The options of a `token` head must be one token each; StepError names the first that is not.
    """
    model, report = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    if report["missing_keys"]:  # they would be random numbers
        first = sorted(report["missing_keys"])[0]
        raise StepError(
            f"{folder} has no weights for {len(report['missing_keys'])} parts of the model, such as {first}"
        )
    backbone, unembedding = model.base_model, model.get_output_embeddings()
    linear = torch.nn.Linear(unembedding.in_features, len(options), bias=head == "class")
    with torch.no_grad():
        if head == "class":
            linear.weight.zero_()
            linear.bias.zero_()
        else:
            ids = option_ids(load_tokenizer(folder), options)
            linear.weight.copy_(unembedding.weight[torch.tensor(ids)])
    return Scorer(backbone, linear)


def option_ids(tokenizer: PreTrainedTokenizerBase, options: tuple[str, ...]) -> list[int]:
    """Return the id of every option's only token."""
    encoded = tokenizer(list(options), add_special_tokens=False)["input_ids"]
    for option, ids in zip(options, encoded, strict=True):
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            raise StepError(f"the option {option!r} is not one token of this model: the token head needs that")
    return [ids[0] for ids in encoded]
