"""Heads: how a model scores the options of a row. A head reads hidden states; it knows no architecture.

Legend: B rows, S sequences (of rows or of their options), P positions, D width, K options, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import PreTrainedTokenizerBase

from outgrow.errors import StepError
from outgrow.examples import PAD_LOGIT
from outgrow.models.adapters import Adapter, add_adapter
from outgrow.models.loading import (
    Pretrained,
    Unembedding,
    capped,
    check_unembedding,
    load_language,
    load_pretrained,
    load_tokenizer,
    logits_of,
    quiet,
)
from outgrow.models.packing import Batch, Hidden, Manner, checkpoint_contexts, find_manner, run

__all__ = ["Batch", "Head", "Manner", "Scorer", "load_scorer", "load_tokenizer", "option_ids", "quiet"]

Head = Literal["class", "token", "reward", "completion"]
POSITIONS_AT_ONCE = 1024
"""So many positions at a time are projected to the vocabulary."""


class Scorer(torch.nn.Module):
    """A backbone and a head over its last hidden states: a batch -> logits_BK in fp32.

    `class` and `token`: one sequence a row, read at its last real token (where the model is not causal: mean over
    its real tokens) and mapped to K numbers. `reward`: one sequence an option, mapped to one number. `completion`:
    the summed log-probability of each option's tokens, `head` being the unembedding.
    """

    def __init__(
        self,
        backbone: torch.nn.Module,
        head: torch.nn.Linear,
        *,
        kind: Head = "class",
        manner: Manner | None = None,
        cap: float | None = None,
        start: str = "",
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.kind, self.manner, self.cap = kind, manner or Manner(), cap
        self.start, self.adapter = start, adapter

    def forward(self, batch: Batch, *, packed: bool = False) -> torch.Tensor:
        """Return logits_BK; an option that a row lacks has PAD_LOGIT. `packed` where the model can be."""
        hidden = run(self.backbone, batch, self.manner, packed=packed)
        with torch.autocast(hidden.states.device.type, enabled=False):
            if self.kind == "completion":
                return _placed(_log_probability(hidden, batch, Unembedding(self.head, self.cap)), batch)
            scores: torch.Tensor = capped(self.head(self._read(hidden).float()), self.cap).float()
            return _placed(scores[:, 0], batch) if self.kind == "reward" else scores

    def read(self, batch: Batch, *, packed: bool = False) -> torch.Tensor:
        """Return the states that the head reads, one for every sequence, states_SD in fp32."""
        return self._read(run(self.backbone, batch, self.manner, packed=packed)).float()

    def _read(self, hidden: Hidden) -> torch.Tensor:
        return hidden.last() if self.manner.causal else hidden.mean()

    def limit(self, tokens: int) -> int:
        """Return the most tokens that a sequence may have: this many, or what the model has positions for."""
        positions = getattr(getattr(self.backbone, "config", None), "max_position_embeddings", None)
        return min(tokens, positions - (self.manner.first or 0)) if positions else tokens

    def checkpoint(self) -> None:
        """Recompute the layers in the backward pass instead of keeping what they computed."""
        backbone: Any = self.backbone
        name = "activation_checkpointing_enable"
        enable = getattr(backbone, name, None) or backbone.gradient_checkpointing_enable
        try:
            enable({"use_reentrant": False, "context_fn": checkpoint_contexts})
        except ValueError as error:
            raise StepError(f"this architecture knows no gradient checkpointing ({error}): turn it off") from error


def _log_probability(hidden: Hidden, batch: Batch, unembedding: Unembedding) -> torch.Tensor:
    """Return the summed log-probability of every sequence's scored tokens, (S,)."""
    device = hidden.states.device
    length_S, scored_S = torch.from_numpy(batch.length_S), torch.from_numpy(batch.scored_S)
    sequence_P = torch.arange(len(length_S)).repeat_interleave(length_S - scored_S)
    begin_S = (length_S - scored_S).cumsum(0) - (length_S - scored_S)
    position_P = torch.arange(len(sequence_P)) - begin_S[sequence_P] + scored_S[sequence_P]
    token_P = torch.from_numpy(batch.flat_T)[(length_S.cumsum(0) - length_S)[sequence_P] + position_P].to(device)
    sequence_P, position_P = sequence_P.to(device), position_P.to(device)
    sums_S = torch.zeros(len(length_S), device=device)
    for part in torch.split(torch.arange(len(token_P), device=device), POSITIONS_AT_ONCE):
        states_PD = hidden.at(sequence_P[part], position_P[part] - 1).float()  # a token is foretold by the one before
        logits_PV = logits_of(unembedding, states_PD)
        told_P = logits_PV.gather(1, token_P[part][:, None])[:, 0] - logits_PV.logsumexp(1)
        sums_S = sums_S.index_add(0, sequence_P[part], told_P)
    return sums_S


def _placed(score_S: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the scores of sequences as logits_BK, PAD_LOGIT where a row has no such option."""
    place_S = torch.from_numpy(batch.row_S * batch.num_options + batch.option_S).to(score_S.device)
    logits = score_S.new_full((batch.num_rows * batch.num_options,), PAD_LOGIT)
    return logits.index_copy(0, place_S, score_S).view(batch.num_rows, batch.num_options)


def load_scorer(
    folder: Path,
    *,
    head: Head,
    options: Sequence[str] = (),
    verbalizer: Sequence[str] = (),
    adapter: Adapter | Mapping[str, Any] | None = None,
    dropout: float = 0.0,
    language: Path | None = None,
    device: str = "cpu",
) -> Scorer:
    """Return the model of a folder in fp32 with a head over these options.

    `token`: the options are one token each. `class`: K rows that start at the unembedding rows of the `verbalizer`
    words' last tokens, one word an option; `reward`: a row that starts at that of the first word. Both start at zero
    without words, and where the model has no unembedding: `scorer.start` says which. `language`: weights that
    finetuning as a language model left, in place of the folder's: heads start from those. StepError names what is off.
    """
    pretrained = load_pretrained(folder, dropout=dropout)
    if language is not None:
        load_language(pretrained, language)
    start, cap = _start_of(folder, pretrained, head=head, options=options, verbalizer=verbalizer)
    backbone, wanted = pretrained.backbone, Adapter.of(adapter)
    if wanted is not None:
        add_adapter(backbone, wanted)
    backbone.to(device)
    return Scorer(
        backbone,
        start.linear.to(device),
        kind=head,
        manner=find_manner(backbone),
        cap=cap,
        start=start.name,
        adapter=wanted,
    )


@dataclass(frozen=True)
class _Start:
    linear: torch.nn.Linear
    name: str = field(default="unembedding")


def _start_of(
    folder: Path, pretrained: Pretrained, *, head: Head, options: Sequence[str], verbalizer: Sequence[str]
) -> tuple[_Start, float | None]:
    """Return the head as training starts with it, and the cap on its logits."""
    if head in ("token", "completion"):
        unembedding = check_unembedding(folder, pretrained, head=head)
        if head == "completion":
            return _Start(unembedding.linear), unembedding.cap
        return _Start(_rows(unembedding.linear, option_ids(load_tokenizer(folder), options))), unembedding.cap
    if head == "class" and verbalizer and len(verbalizer) != len(options):
        raise StepError(f"{len(verbalizer)} verbalizer words for {len(options)} classes: name one word a class")
    words = verbalizer if head == "class" else verbalizer[:1]
    if words and pretrained.unembedding is not None:
        rows = _rows(pretrained.unembedding.linear, _last_ids(load_tokenizer(folder), words))
    else:
        rows = _blank(_width(pretrained), len(options) if head == "class" else 1)
    rows.register_parameter("bias", torch.nn.Parameter(torch.zeros(rows.out_features)) if head == "class" else None)
    return _Start(rows, "unembedding" if words and pretrained.unembedding is not None else "zero"), None


def _width(pretrained: Pretrained) -> int:
    """Return the number of features of the last hidden state, by computing one."""
    with torch.no_grad():
        return int(pretrained.backbone.eval()(torch.ones(1, 2, dtype=torch.long)).last_hidden_state.shape[-1])


def _rows(linear: torch.nn.Linear, ids: Sequence[int]) -> torch.nn.Linear:
    """Return a layer of these rows of another, copied."""
    rows, chosen = _blank(linear.in_features, len(ids)), torch.tensor(ids)
    rows.weight.data.copy_(linear.weight.detach()[chosen])
    if linear.bias is not None:
        rows.bias = torch.nn.Parameter(linear.bias.detach()[chosen])
    return rows


def _blank(width: int, rows: int) -> torch.nn.Linear:
    """Return a layer of zeros without bias, made without drawing from a generator."""
    linear: torch.nn.Linear = torch.nn.Linear(width, rows, bias=False, device="meta").to_empty(device="cpu")
    linear.weight.data.zero_()
    return linear


def _last_ids(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    """Return the id of every word's last token; StepError where words share one or are unknown."""
    encoded = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    ids = [each[-1] for each in encoded if each]
    if len(ids) != len(words) or tokenizer.unk_token_id in ids or len(set(ids)) != len(ids):
        raise StepError(f"the verbalizer words {tuple(words)} have no tokens of their own in this model: name others")
    return ids


def option_ids(tokenizer: PreTrainedTokenizerBase, options: Sequence[str]) -> list[int]:
    """Return the id of every option's only token."""
    encoded = tokenizer(list(options), add_special_tokens=False)["input_ids"]
    for option, ids in zip(options, encoded, strict=True):
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            raise StepError(f"the option {option!r} is not one token of this model: the token head needs that")
    return [ids[0] for ids in encoded]
