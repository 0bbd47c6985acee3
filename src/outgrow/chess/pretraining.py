"""Pretraining of a chess language model on played moves. Knows sequences and torch, no store and no task.

Legend: B sequences of a batch, T tokens, V words, M loss rows, A most legal moves of a position.

Three things make this work on a CPU: Muon on the matrices; piece and move rows that start as sums of shared parts
(piece + square, from + to); and a share of the loss, falling to 0 half way, on "uniform over the legal moves", which
is the rules of chess and no task's truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from outgrow.chess.encoding import PIECES, move_words, vocabulary, word_ids
from outgrow.chess.ladder import SIZES
from outgrow.chess.sequences import NO_LOSS, Arrays, batch_order, legal_starts
from outgrow.seeds import derive, generator


@dataclass(frozen=True)
class Recipe:
    """How a size is pretrained. Every size sees the same number of positions."""

    size: str
    positions: int
    batch: int = 128
    muon_lr: float = 0.003
    adamw_lr: float = 0.004
    warmup: float = 0.01
    legal_share: float = 0.9
    legal_until: float = 0.5
    seed: int = 0

    @property
    def steps(self) -> int:
        """Return the number of optimizer steps."""
        return self.positions // self.batch

    def rate(self, step: int) -> float:
        """Return the factor on both learning rates: up over the warm-up, then linearly down to 0."""
        done = (step + 1) / self.steps
        return min(done / self.warmup, (1 - done) / (1 - self.warmup))

    def legal_weight(self, step: int) -> float:
        """Return the share of the loss that is on the rules."""
        return max(0.0, self.legal_share * (1 - step / self.steps / self.legal_until))


def new_model(recipe: Recipe) -> PreTrainedModel:
    """Return a freshly initialised GPT-2 of this size over the chess vocabulary, its head untied."""
    width, layers, heads = SIZES[recipe.size]
    config = GPT2Config(
        vocab_size=len(vocabulary()),
        n_positions=64,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        activation_function="relu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(derive(recipe.seed, "pretrain", recipe.size, "init"))
        model = GPT2LMHeadModel(config)
        _share_parts(model.transformer.wte.weight, model.lm_head.weight)
    return model


@torch.no_grad()
def _share_parts(embedding_VD: torch.Tensor, head_VD: torch.Tensor) -> None:
    ids, width = word_ids(), embedding_VD.shape[1]
    parts: dict[str, torch.Tensor] = {}

    def part(name: str) -> torch.Tensor:
        return parts.setdefault(name, torch.randn(width))

    for piece in PIECES:
        for square in (file + rank for file in "abcdefgh" for rank in "12345678"):
            embedding_VD[ids[piece + square]] = 0.02 * (part(piece) + part(square))
    head_VD.zero_()
    for move in move_words():
        vector = 0.02 * (part("from " + move[:2]) + part("to " + move[2:4]) + part("promotion " + move[4:]))
        embedding_VD[ids[move]] = vector
        head_VD[ids[move]] = vector


def new_optimizers(model: PreTrainedModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the blocks and AdamW for everything else."""
    matrices = [p for name, p in model.named_parameters() if ".h." in name and p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=recipe.adamw_lr, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    ]


def train(
    model: PreTrainedModel,
    optimizers: list[torch.optim.Optimizer],
    data: Arrays,
    recipe: Recipe,
    *,
    first: int,
    last: int,
) -> Iterator[float]:
    """Do the optimizer steps `first` to `last - 1`, yielding each one's loss. Step n is the same in any division."""
    starts_N = legal_starts(data)
    model.train()
    for step, rows_B in _batches(data, recipe, first=first, last=last):
        for optimizer, lr in zip(optimizers, (recipe.muon_lr, recipe.adamw_lr), strict=True):
            optimizer.param_groups[0]["lr"] = lr * recipe.rate(step)
        loss = sequence_loss(model, data, starts_N, rows_B, legal_weight=recipe.legal_weight(step))
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        yield float(loss.detach())


def _batches(data: Arrays, recipe: Recipe, *, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    step, epoch = 0, 0
    while step < last:
        rng = generator(recipe.seed, "pretrain", "epoch", epoch)
        order_SB = batch_order(data["length"], batch=recipe.batch, rng=rng)
        for i in range(max(0, first - step), min(len(order_SB), last - step)):
            yield step + i, order_SB[i]
        step, epoch = step + len(order_SB), epoch + 1


def sequence_loss(
    model: PreTrainedModel, data: Arrays, starts_N: np.ndarray, rows_B: np.ndarray, *, legal_weight: float
) -> torch.Tensor:
    """Return the mean loss over the scored plies of sequences of one length.

    The first ply's loss is (1 - w) CE(played) + w CE(uniform over the legal moves); later plies have the first part.
    """
    length = int(data["length"][rows_B[0]])
    plies_BP = torch.from_numpy(data["plies"][rows_B].astype(np.int64))
    tokens_BT = torch.from_numpy(data["tokens"][rows_B, :length].astype(np.int64))
    targets_BP = torch.from_numpy(data["targets"][rows_B].astype(np.int64))
    hidden_BTD = model.transformer(torch.cat([tokens_BT, plies_BP[:, :-1]], dim=1), use_cache=False).last_hidden_state
    scored_BP = targets_BP != NO_LOSS
    logits_MV = model.lm_head(hidden_BTD[:, length - 1 :][scored_BP])
    played = cross_entropy(logits_MV, targets_BP[scored_BP])
    if legal_weight == 0:
        return played
    first_M = scored_BP.nonzero()[:, 1] == 0
    normalizer_B = torch.logsumexp(logits_MV[first_M], dim=1)
    legal_BA, mask_BA = _padded_legal(data, starts_N, rows_B)
    mean_logit_B = (logits_MV[first_M].gather(1, legal_BA) * mask_BA).sum(1) / mask_BA.sum(1)
    uniform = (normalizer_B - mean_logit_B).sum() / len(logits_MV)
    first_share = cross_entropy(logits_MV[first_M], targets_BP[:, 0], reduction="sum") / len(logits_MV)
    loss: torch.Tensor = played + legal_weight * (uniform - first_share)
    return loss


def _padded_legal(data: Arrays, starts_N: np.ndarray, rows_B: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    count_B = data["legal_count"][rows_B].astype(np.int64)
    mask_BA = np.arange(count_B.max()) < count_B[:, None]
    legal_BA = np.zeros(mask_BA.shape, np.int64)
    legal_BA[mask_BA] = np.concatenate([data["legal"][starts_N[row] : starts_N[row + 1]] for row in rows_B])
    return torch.from_numpy(legal_BA), torch.from_numpy(mask_BA.astype(np.float32))


@torch.no_grad()
def evaluate(model: PreTrainedModel, data: Arrays, *, limit: int = 20_000) -> dict[str, float]:
    """Return loss, accuracy and legal mass on the first move of up to `limit` sequences."""
    model.eval()
    starts_N = legal_starts(data)
    rows_N = np.argsort(data["length"][:limit], kind="stable")
    edges = np.flatnonzero(np.diff(data["length"][rows_N], prepend=0, append=0))
    loss = right = legal_mass = 0.0
    for begin, end in pairwise(edges):
        for rows_B in np.array_split(rows_N[begin:end], -(-(end - begin) // 512)):
            length = int(data["length"][rows_B[0]])
            tokens_BT = torch.from_numpy(data["tokens"][rows_B, :length].astype(np.int64))
            target_B = torch.from_numpy(data["targets"][rows_B, 0].astype(np.int64))
            logits_BV = model.lm_head(model.transformer(tokens_BT, use_cache=False).last_hidden_state[:, -1])
            legal_BA, mask_BA = _padded_legal(data, starts_N, rows_B)
            loss += float(cross_entropy(logits_BV, target_B, reduction="sum"))
            right += int((logits_BV.argmax(1) == target_B).sum())
            legal_mass += float((logits_BV.softmax(1).gather(1, legal_BA) * mask_BA).sum())
    count = len(rows_N)
    return {"loss": loss / count, "accuracy": right / count, "legal_mass": legal_mass / count, "positions": count}
