"""Texts as labels: the loss that they are learned by, and greedy generation.

Generation takes at each step the most probable token of the whole vocabulary, until a line ends. Nothing restricts
what is written. There is no cache of keys and values: answers are short. Knows tokens, no tasks and no store.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from outgrow.errors import StepError
from outgrow.models.heads import Scorer
from outgrow.training.batches import encode_prompts, one_a_row
from outgrow.training.inference import Precision, next_tokens
from outgrow.training.losses import Loss


def _unlikely(logits_B1: Tensor, targets_B1: Tensor, moment: Any, **_: Any) -> Tensor:
    """Return -log p(text) of every row: cross-entropy summed over the tokens of its only completion."""
    del targets_B1, moment
    return -logits_B1[:, 0]


TEXT_LOSS = Loss(_unlikely)


def stop_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what ends an answer: a line break where this tokenizer has tokens for it, else its end of text, if any."""
    plain, broken = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", "a\n"))
    return "\n" if plain != broken else tokenizer.eos_token or ""


def as_completion(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return a text as a model learns to write it after a prompt: a blank before it and what ends it behind."""
    return f" {text.strip()}{stop_of(tokenizer)}"


def generate(
    scorer: Scorer,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    limit: int,
    max_new_tokens: int,
    precision: Precision = "fp32",
    packed: bool = False,
) -> list[str]:
    """Return what the model writes after each prompt: at most so many tokens, up to a line break or the end of text.

    `limit`: the most tokens that the model is fed at once; longer prompts lose their beginning. Blanks around the
    answer are left out.
    """
    if not 0 < max_new_tokens <= limit:
        raise StepError(f"{max_new_tokens} new tokens do not fit into a model's {limit}: lower max_new_tokens")
    asked = encode_prompts(tokenizer, prompts, limit=limit - max_new_tokens + 1)
    written: list[list[int]] = [[] for _ in prompts]
    open_rows = list(range(len(prompts)))
    for _ in range(max_new_tokens):
        inputs = one_a_row([asked[row] + written[row] for row in open_rows])
        found_N = next_tokens(scorer, inputs, precision=precision, packed=packed)
        for row, token in zip(open_rows, found_N.tolist(), strict=True):
            written[row].append(token)
        open_rows = [row for row in open_rows if not _ended(tokenizer, written[row])]
        if not open_rows:
            break
    return [_text(tokenizer, tokens) for tokens in written]


def _ended(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> bool:
    return tokens[-1] == tokenizer.eos_token_id or "\n" in tokenizer.decode(tokens[-1:])


def _text(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> str:
    text: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text.partition("\n")[0].strip()
