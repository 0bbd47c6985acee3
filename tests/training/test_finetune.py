"""The loop: the same twice, AdamW on a rate that rises and falls, the best check kept, a lost run refused."""

import numpy as np
import pytest
import torch

from outgrow.errors import StepError
from outgrow.examples import Labels
from outgrow.models.heads import Scorer
from outgrow.training.batches import Inputs, batch_stream
from outgrow.training.finetune import Schedule, Validation, finetune
from outgrow.training.inference import predict
from outgrow.training.losses import LOSSES, Loss, Moment

NUM, WORDS = 40, 12


class Bag(torch.nn.Module):
    """Stand in for a backbone: the hidden state is the mean embedding of the tokens so far."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(WORDS, 6)
        self.config = None

    def forward(self, tokens_BT, *, use_cache):
        assert not use_cache
        sums_BTD = self.embedding(tokens_BT).cumsum(1)
        self.last_hidden_state = sums_BTD / torch.arange(1, tokens_BT.shape[1] + 1)[None, :, None]
        return self


def new_scorer(num_options=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Scorer(Bag(), torch.nn.Linear(6, num_options))


def one_sequence_a_row(flat, start):
    return Inputs(flat, start, np.arange(len(start)), np.zeros(len(start) - 1, np.int64), pad=0)


def rows(seed=0):
    """Return rows of one to four words and whether their first word is an early one."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, NUM)
    flat, start = rng.integers(0, WORDS, lengths.sum()), np.concatenate([[0], np.cumsum(lengths)])
    return one_sequence_a_row(flat, start), (flat[start[:-1]] < WORDS // 2).astype(np.int64)


def labels_of(truth_N):
    return Labels.from_dense([str(i) for i in range(len(truth_N))], np.eye(2, dtype=np.float32)[truth_N])


def schedule(**changes):
    return Schedule(**({"steps": 30, "batch": 10, "lr": 0.05, "weight_decay": 0.0, "warmup": 0.1} | changes))


def train(scorer=None, *, tokens=None, truth_N=None, loss=LOSSES["cross-entropy"], loss_options=None, **options):
    made, right_N = rows()
    scorer = scorer or new_scorer()
    trained = finetune(
        scorer,
        tokens or made,
        labels_of(right_N if truth_N is None else truth_N),
        schedule=options.pop("schedule", schedule()),
        loss=loss,
        loss_options=loss_options or {},
        moment=Moment(0.0, shared=True),
        rng=np.random.default_rng(options.pop("seed", 0)),
        **options,
    )
    return scorer, trained


def test_training_learns_the_labels():
    scorer, trained = train(schedule=schedule(steps=150))
    tokens, truth_N = rows()
    assert (predict(scorer, tokens).argmax(1) == truth_N).mean() > 0.75
    assert np.mean(trained.losses[-10:]) < np.mean(trained.losses[:10]) / 2
    assert trained.kept_step == 150


def test_the_same_seed_gives_the_same_weights_whatever_global_generators_do():
    torch.manual_seed(1)
    one, losses = train()
    torch.manual_seed(2)
    np.random.seed(3)
    other, again = train()
    assert losses.losses == again.losses
    assert all(a.equal(b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    assert train(seed=1)[1].losses != losses.losses


def test_training_is_adamw_on_the_stated_batches_and_rates():
    tokens, truth_N = rows()
    plan = schedule(steps=12, weight_decay=0.1)
    scorer, _ = train(schedule=plan)
    expected = new_scorer()
    optimizer = torch.optim.AdamW(expected.parameters(), weight_decay=0.1, betas=(0.9, 0.999))
    for step, rows_B in enumerate(batch_stream(NUM, batch=10, steps=12, rng=np.random.default_rng(0))):
        at = (step + 0.5) / 12
        optimizer.param_groups[0]["lr"] = 0.05 * (at / 0.1 if at < 0.1 else (1 - at) / 0.9)
        optimizer.zero_grad()
        logits_BK = expected(tokens.batch(rows_B))
        torch.nn.functional.cross_entropy(logits_BK, torch.from_numpy(truth_N[rows_B])).backward()
        optimizer.step()
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(scorer.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    rates = [schedule(steps=100).rate(step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == pytest.approx(1, abs=0.06)
    assert 0 < rates[-1] < 0.01
    flat = [schedule(steps=4, warmup=0.0).rate(step) for step in range(4)]
    assert flat == pytest.approx([0.875, 0.625, 0.375, 0.125])


def test_a_loss_hears_how_far_training_is():
    seen = []

    def listening(logits_BK, targets_BK, moment):
        seen.append(moment.progress)
        return (logits_BK - targets_BK).square().mean(1)

    train(loss=Loss(listening), schedule=schedule(steps=4))
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_the_check_that_agrees_most_is_kept():
    tokens, truth_N = rows()
    # Train towards the opposite of the validation labels: agreement can only fall, so the first check is kept.
    validation = Validation(tokens, 1 - truth_N, checks=5)
    scorer, trained = train(validation=validation, schedule=schedule(steps=50))
    assert len(trained.agreement) == 5
    best = max(trained.agreement)
    assert trained.kept_step == 10 * (1 + trained.agreement.index(best))
    assert trained.kept_step < 50
    found = (predict(scorer, tokens).argmax(1) == 1 - truth_N).mean()
    assert found == pytest.approx(best)


def test_watching_validation_does_not_change_training():
    tokens, truth_N = rows()
    watched = train(validation=Validation(tokens, truth_N, checks=5))[1]
    assert watched.losses == train()[1].losses


def test_more_checks_than_steps_keep_a_step_that_exists():
    tokens, truth_N = rows()
    trained = train(validation=Validation(tokens, truth_N, checks=10), schedule=schedule(steps=3))[1]
    assert 1 <= trained.kept_step <= 3


def test_a_loss_that_is_not_finite_ends_the_run_with_a_remedy():
    scorer = new_scorer()
    with torch.no_grad():
        scorer.head.weight.fill_(float("nan"))
    with pytest.raises(StepError, match=r"the loss is nan at step 1: lower training\.lr \(now 0\.05\)"):
        train(scorer)


def test_progress_is_told_once_a_step():
    told = []
    train(schedule=schedule(steps=5), progress=lambda *each: told.append(each))
    assert told == [(i + 1, 5, "steps") for i in range(5)]


def test_predictions_do_not_depend_on_the_order_or_company_of_rows():
    scorer, _ = train()
    tokens, _ = rows()
    together = predict(scorer, tokens)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-6)
    for row in range(NUM):
        flat = tokens.flat[tokens.start[row] : tokens.start[row + 1]]
        alone = one_sequence_a_row(flat, np.array([0, len(flat)]))
        np.testing.assert_allclose(predict(scorer, alone)[0], together[row], atol=1e-6)


def test_predicting_leaves_no_trace(monkeypatch):
    scorer, _ = train()
    before = {name: value.clone() for name, value in scorer.state_dict().items()}
    monkeypatch.setattr("outgrow.training.inference.TOKEN_BUDGET", 7)  # many small batches
    few = predict(scorer, rows()[0])
    monkeypatch.undo()
    np.testing.assert_allclose(predict(scorer, rows()[0]), few, atol=1e-6)
    assert all(value.equal(before[name]) for name, value in scorer.state_dict().items())
