"""Tokens and batches. Batches are i.i.d. draws without replacement, cut from a continuous stream of permutations.

Legend: N rows, S sequences (one a row, or one an option), B rows of a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from transformers import PreTrainedTokenizerBase

from outgrow.errors import StepError
from outgrow.examples import Examples
from outgrow.models.heads import Batch, Head


@dataclass(frozen=True)
class Inputs:
    """The tokens of N rows: sequence s is flat[start[s] : start[s + 1]], row n has sequences first[n] to first[n + 1].

    `scored_S`: the first token of the option's text, 0 where sequences are rows. K is `num_options`, 0 where sequences
    are rows. `option_S`: the option that a sequence is; None: a row's sequences are its options in order. `lost_S`: how
    many tokens of the text's beginning were cut off, `lost_scored_S`: how many of these are the option's own.
    """

    flat: np.ndarray
    start: np.ndarray
    first: np.ndarray
    scored_S: np.ndarray
    pad: int
    num_options: int = 0
    option_S: np.ndarray | None = None
    lost_S: np.ndarray | None = None
    lost_scored_S: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Return the number of tokens of every row, of all its options together, (N,)."""
        return np.diff(self.start[self.first])

    @property
    def longest(self) -> np.ndarray:
        """Return the number of tokens of every row's longest sequence, (N,)."""
        return np.maximum.reduceat(np.diff(self.start), self.first[:-1])

    @property
    def counts(self) -> np.ndarray:
        """Return the number of sequences of every row, (N,)."""
        return np.diff(self.first)

    @property
    def cut(self) -> dict[str, float]:
        """Return the share of rows of which a text lost its beginning, and an option did; what is 0 is left out."""
        lost = {"texts_cut": self.lost_S, "options_cut": self.lost_scored_S}
        shares = {
            name: float((np.maximum.reduceat(each_S, self.first[:-1]) > 0).mean())
            for name, each_S in lost.items()
            if each_S is not None and len(each_S)
        }
        return {name: share for name, share in shares.items() if share}

    def batch(self, rows_B: np.ndarray) -> Batch:
        """Return these rows as sequences that go through a model together."""
        count_B = self.counts[rows_B]
        row_S = np.repeat(np.arange(len(rows_B)), count_B)
        option_S = np.arange(len(row_S)) - np.repeat(np.cumsum(count_B) - count_B, count_B)
        sequence_S = self.first[rows_B][row_S] + option_S
        option_S = option_S if self.option_S is None else self.option_S[sequence_S]
        length_S = self.start[sequence_S + 1] - self.start[sequence_S]
        place_T = np.arange(length_S.sum()) - np.repeat(np.cumsum(length_S) - length_S, length_S)
        flat_T = self.flat[np.repeat(self.start[sequence_S], length_S) + place_T]
        return Batch(
            flat_T, length_S, self.pad, row_S, option_S, self.scored_S[sequence_S], len(rows_B), self.num_options
        )


@dataclass(frozen=True)
class _Affixes:
    """The special tokens that a tokenizer puts around a text by itself, such as [CLS] and [SEP]."""

    before: list[int]
    after: list[int]


def encode(
    tokenizer: PreTrainedTokenizerBase,
    examples: Examples,
    *,
    head: Head,
    limit: int,
    words: Sequence[str] = (),
    num_options: int = 0,
) -> Inputs:
    """Return the tokens of these rows as this head reads them; longer ones lose their beginning, no row is dropped.

    `class`, `token`: one sequence a row. `reward`, `completion`: prompt and option as one text, for each of the row's
    completions, or of these `words` for every row. `num_options`: K, by default the most options that a row has.
    A row's options go through a model in the order of their texts: swapping them changes no bit of what comes out.
    """
    affixes = _affixes(tokenizer)
    if head in ("class", "token"):
        whole = _ids(tokenizer, examples.texts)
        encoded = [_cut(ids, affixes, limit) for ids in whole]
        return replace(one_a_row(encoded), lost_S=_lost(whole, encoded, affixes))
    options = examples.completions or (tuple(words),) * len(examples)
    if not all(options):
        raise StepError(f"the {head} head needs the text of every option: some row has none")
    count_N = np.array([len(each) for each in options])
    prompts = _ids(tokenizer, examples.texts)
    order = [sorted(range(len(each)), key=each.__getitem__) for each in options]
    option_S = np.array([option for each in order for option in each], np.int64)
    texts = [examples.texts[row] + options[row][option] for row, each in enumerate(order) for option in each]
    whole = _ids(tokenizer, texts)
    asked = [prompt for prompt, count in zip(prompts, count_N, strict=True) for _ in range(count)]
    encoded = [_cut(ids, affixes, limit) for ids in whole]
    shared_S = np.array([_shared(prompt, ids) for prompt, ids in zip(asked, whole, strict=True)])
    lost_S = _lost(whole, encoded, affixes)
    scored_S = shared_S + len(affixes.before) - lost_S
    if head == "completion":
        scored_S = np.maximum(scored_S, 1)  # the first token is foretold by nothing
        _check_scored(scored_S, encoded, texts)
    found = _inputs(encoded, count_N, scored_S, num_options or int(count_N.max()))
    return replace(found, option_S=option_S, lost_S=lost_S, lost_scored_S=np.maximum(lost_S - shared_S, 0))


def encode_prompts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, limit: int) -> list[list[int]]:
    """Return the tokens of texts to be continued: special ones before but none after; long texts lose their beginning.

    StepError where a text has none.
    """
    affixes = replace(_affixes(tokenizer), after=[])
    return [_cut(ids, affixes, limit) for ids in _ids(tokenizer, texts)]


def one_a_row(encoded: list[list[int]]) -> Inputs:
    """Return these tokens as the inputs of rows of one sequence each."""
    return _inputs(encoded, np.ones(len(encoded), np.int64), np.zeros(len(encoded), np.int64), 0)


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return ids


def _affixes(tokenizer: PreTrainedTokenizerBase) -> _Affixes:
    """Return the special tokens that this tokenizer adds, found by trying."""
    bare, dressed = (tokenizer("a", add_special_tokens=each)["input_ids"] for each in (False, True))
    for first in range(len(dressed) - len(bare) + 1):
        if dressed[first : first + len(bare)] == bare:
            return _Affixes(list(dressed[:first]), list(dressed[first + len(bare) :]))
    raise StepError("this tokenizer changes a text's tokens where it adds special ones: name another model")


def _cut(ids: list[int], affixes: _Affixes, limit: int) -> list[int]:
    """Return the ids within the special tokens, without those of the beginning that are too many."""
    room = limit - len(affixes.before) - len(affixes.after)
    if not ids and not affixes.before and not affixes.after:
        raise StepError("a row's text has no tokens: every row needs a text")
    return affixes.before + ids[max(0, len(ids) - room) :] + affixes.after


def _lost(whole: list[list[int]], encoded: list[list[int]], affixes: _Affixes) -> np.ndarray:
    """Return how many tokens of each text were cut off, (S,)."""
    added = len(affixes.before) + len(affixes.after)
    return np.array([len(ids) + added - len(kept) for ids, kept in zip(whole, encoded, strict=True)], np.int64)


def _shared(prompt: list[int], whole: list[int]) -> int:
    """Return how many tokens the prompt alone and prompt with option begin with in common; the option has the rest."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, whole, strict=False)))
    return min(same, len(whole) - 1)


def _check_scored(scored_S: np.ndarray, encoded: list[list[int]], texts: list[str]) -> None:
    for scored, ids, text in zip(scored_S, encoded, texts, strict=True):
        if scored >= len(ids):
            raise StepError(f"the completion head foretells tokens from those before them, and {text!r} has only one")


def _inputs(encoded: list[list[int]], count_N: np.ndarray, scored_S: np.ndarray, num_options: int) -> Inputs:
    start = np.concatenate([[0], np.cumsum([len(ids) for ids in encoded], dtype=np.int64)])
    flat = np.concatenate([np.asarray(ids, np.int64) for ids in encoded])
    first = np.concatenate([[0], np.cumsum(count_N, dtype=np.int64)])
    # No head reads padding: any token will do, and a tokenizer's own may be one that the model has no embedding for.
    return Inputs(flat, start, first, scored_S.astype(np.int64), int(flat[0]), num_options)


def batch_stream(num_rows: int, *, batch: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield `steps` full batches of row numbers, rows_B: every row once before any row twice."""
    stream = np.concatenate([rng.permutation(num_rows) for _ in range(-(-batch * steps // num_rows))])
    for step in range(steps):
        yield stream[step * batch : (step + 1) * batch]


def micro_batches(inputs: Inputs, rows_B: np.ndarray, *, budget: int, packed: bool) -> list[np.ndarray]:
    """Return the batch's rows in parts of at most `budget` tokens, padding counted unless packed; a row is never cut.

    Together the parts are the batch, in its order.
    """
    parts, begin = list[np.ndarray](), 0
    tokens_B, longest_B, count_B = inputs.lengths[rows_B], inputs.longest[rows_B], inputs.counts[rows_B]
    while begin < len(rows_B):
        if packed:
            cost_B = np.cumsum(tokens_B[begin:])
        else:
            cost_B = np.maximum.accumulate(longest_B[begin:]) * np.cumsum(count_B[begin:])
        end = begin + max(1, int(np.searchsorted(cost_B, budget, side="right")))
        parts.append(rows_B[begin:end])
        begin = end
    return parts
