"""The loss of the reward head: cross-entropy of a softmax over a row's rewards, against ten lines of numpy."""

import numpy as np
import pytest
import torch

from outgrow.examples import Examples, Labels
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.training.batches import encode
from outgrow.training.finetune import Schedule, finetune
from outgrow.training.losses import LOSSES, moment_at_start

ROWS = 6


def rows_of(num_options, rng):
    def words():
        return " ".join(rng.choice(list("abcdefgh"), rng.integers(1, 5)))

    ids = tuple(map(str, range(ROWS)))
    options = tuple(tuple(f" {words()} {'ijkl'[k]}" for k in range(num_options)) for _ in ids)
    return Examples(ids, ids, tuple(words() for _ in ids), np.zeros(ROWS, np.int64), options)


def reference(rewards_NK, targets_NK):
    """Return mean_n -sum_k t_k log(e^r_k / sum_j e^r_j): for pairs, Burns et al.'s sigmoid of the difference."""
    total = 0.0
    for rewards_K, targets_K in zip(rewards_NK.astype(float), targets_NK.astype(float), strict=True):
        highest = max(rewards_K)
        partition = sum(np.exp(reward - highest) for reward in rewards_K)
        for reward, target in zip(rewards_K, targets_K, strict=True):
            total -= target * (reward - highest - np.log(partition))
    return total / len(rewards_NK)


@pytest.mark.parametrize("num_options", [2, 4])
def test_the_loss_of_rewards_is_the_softmax_over_a_row_s_options(families, rng, num_options):
    examples = rows_of(num_options, rng)
    scorer = load_scorer(families["qwen3"], head="reward", verbalizer=("1",))
    inputs = encode(load_tokenizer(families["qwen3"]), examples, head="reward", limit=24)
    labels = Labels.from_dense(examples.ids, rng.dirichlet(np.ones(num_options), ROWS).astype(np.float32))
    with torch.no_grad():
        rewards_NK = scorer(inputs.batch(np.arange(ROWS))).numpy()
    trained = finetune(
        scorer,
        inputs,
        labels,
        schedule=Schedule(1, ROWS, 1e-3, 0.0, 0.0),
        loss=LOSSES["cross-entropy"],
        loss_options={},
        moment=moment_at_start(labels, shared=False, balanced=False),
        rng=rng,
    )
    assert np.ptp(rewards_NK, axis=1).min() > 1e-3
    assert trained.losses[0] == pytest.approx(reference(rewards_NK, labels.dense()), abs=1e-5)
    if num_options == 2:
        difference_N = rewards_NK[:, 1] - rewards_NK[:, 0]
        one_N = 1 / (1 + np.exp(-difference_N.astype(float)))
        target_N = labels.dense()[:, 1]
        pairwise = -(target_N * np.log(one_N) + (1 - target_N) * np.log(1 - one_N)).mean()
        assert trained.losses[0] == pytest.approx(pairwise, abs=1e-5)
