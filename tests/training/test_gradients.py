"""Packing, micro-batches, weights, checkpointing, precision: what they may change of a gradient, what they save."""

from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import pytest
import torch

from outgrow.examples import Examples, Labels
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.training.batches import encode
from outgrow.training.finetune import Compute, Schedule, finetune
from outgrow.training.losses import LOSSES, Loss, Moment

NUM = 24
PACKING = ("gpt2", "neox", "opt", "qwen3", "mistral", "llama", "gemma3", "bert", "roberta", "distilbert", "modernbert")
CONFIDENCE = {"weight": 0.5, "warmup": 0.0}


def examples(seed=0):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(list("!abcdefghijklmnop"), rng.integers(1, 14))) for _ in range(NUM)]
    ids = tuple(str(i) for i in range(NUM))
    return Examples(ids, ids, tuple(texts), np.zeros(NUM, np.int64), ((" yes", " no"),) * NUM)


def soft_labels():
    one_N = np.random.default_rng(1).uniform(0.05, 0.95, NUM).astype(np.float32)
    return Labels.from_dense(examples().ids, np.stack([1 - one_N, one_N], 1))


class Recorder(torch.optim.SGD):
    """Stand in for the optimizer: keep the gradients of every step, change nothing."""

    taken: ClassVar[list] = []

    def __init__(self, parameters, **_):
        super().__init__(parameters, lr=0.0)

    def step(self):
        for group in self.param_groups:
            Recorder.taken.append([p.grad.clone() for p in group["params"] if p.grad is not None])


def train(folder, *, head="class", loss="cross-entropy", options=None, weight_N=None, compute=None, **changes):
    scorer = load_scorer(
        folder,
        head=head,
        options=("no", "yes"),
        verbalizer=("0", "1"),
        dropout=changes.pop("dropout", 0.0),
        adapter=changes.pop("adapter", None),
    )
    with torch.no_grad():
        scorer.head.weight += 0.1 * torch.arange(scorer.head.weight.numel()).view_as(scorer.head.weight).sin()
    inputs = encode(load_tokenizer(folder), examples(), head=head, limit=24)
    plan = {"steps": 2, "batch": NUM, "lr": 1e-3, "weight_decay": 0.0, "warmup": 0.0} | changes.pop("plan", {})
    trained = finetune(
        scorer,
        inputs,
        soft_labels(),
        schedule=Schedule(**plan),
        loss=loss if isinstance(loss, Loss) else LOSSES[loss],
        loss_options=options or {},
        moment=Moment(0.0, shared=True),
        rng=np.random.default_rng(0),
        weight_N=weight_N,
        compute=compute,
        **changes,
    )
    return scorer, trained


def gradients(monkeypatch, folder, **options):
    """Return the gradients of two batches and their losses."""
    Recorder.taken.clear()
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", lambda parameters, **_: Recorder(parameters))
        trained = train(folder, **options)[1]
    return list(Recorder.taken), trained


def assert_same(found, expected, tolerance=1e-5):
    (one, first), (other, second) = found, expected
    np.testing.assert_allclose(first.losses, second.losses, rtol=1e-5)
    for a, b in zip(one, other, strict=True):
        size = max(float(each.abs().max()) for each in b)
        assert size > 1e-3
        for each, twin in zip(a, b, strict=True):
            torch.testing.assert_close(each, twin, rtol=0, atol=tolerance * max(1.0, size))


@pytest.mark.parametrize("name", PACKING)
def test_packing_changes_no_gradient(families, monkeypatch, name):
    padded = gradients(monkeypatch, families[name])
    packed = gradients(monkeypatch, families[name], compute=Compute(packed=True))
    assert (padded[1].batching, packed[1].batching) == ("padded", "packed")
    assert_same(packed, padded)


def test_what_cannot_be_packed_is_padded_and_says_so(families, monkeypatch):
    found = gradients(monkeypatch, families["deberta"], compute=Compute(packed=True))
    assert found[1].batching == "padded"
    assert_same(found, gradients(monkeypatch, families["deberta"]))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("head", "loss", "options"),
    [
        ("class", "cross-entropy", {}),
        ("class", "confidence", CONFIDENCE),
        ("class", "confidence-release", CONFIDENCE),
        ("token", "confidence", CONFIDENCE),
        ("reward", "product", {"weak": 1.0, "student": 1.0}),
        ("completion", "cross-entropy", {}),
    ],
)
def test_micro_batches_change_no_gradient(families, monkeypatch, head, loss, options, packed):
    weight_N = np.random.default_rng(2).uniform(0, 2, NUM)
    whole, parts = (
        gradients(
            monkeypatch,
            families["llama"],
            head=head,
            loss=loss,
            options=options,
            weight_N=weight_N,
            compute=Compute(packed=packed, budget=budget),
        )
        for budget in (10_000, 30)
    )
    assert_same(parts, whole)


def test_the_target_of_micro_batches_is_a_statistic_of_the_whole_batch(families):
    """Half of the optimizer batch is hardened to class 1, not half of every part."""
    target = LOSSES["confidence"].target
    sizes, asked = [], []

    def watching(logits_BK, targets_BK, moment, **options):
        assert not logits_BK.requires_grad
        sizes.append(len(logits_BK))
        return target(logits_BK, targets_BK, moment, **options)

    def rows(logits_BK, targets_BK, moment, **options):
        asked.append(targets_BK.shape[0])
        return LOSSES["cross-entropy"].rows(logits_BK, targets_BK, moment)

    train(families["gpt2"], loss=Loss(rows, watching), options=CONFIDENCE, compute=Compute(budget=30))
    assert sizes == [NUM, NUM]
    assert len(asked) > 8
    assert sum(asked) == 2 * NUM


def test_the_confidence_weight_rises_linearly_over_the_warm_up(families):
    """The released code divides by nothing: 0.05 at 10% of training, then a jump to 0.5."""
    weights, ends = [], {}

    def target(logits_BK, targets_BK, moment, **options):
        made = LOSSES["confidence"].target(logits_BK, targets_BK, moment, **options)
        ends[moment.progress] = LOSSES["confidence"].target(logits_BK, targets_BK, moment, weight=1.0, warmup=0.0)
        weights.append(float(((made - targets_BK) / (ends[moment.progress] - targets_BK)).mean()))
        return made

    options = {"weight": 0.5, "warmup": 0.2}
    train(families["gpt2"], loss=Loss(LOSSES["cross-entropy"].rows, target), options=options, plan={"steps": 20})
    np.testing.assert_allclose(weights, [0.5 * min(1, step / 20 / 0.2) for step in range(20)], atol=1e-5)


def test_the_loss_of_a_batch_is_the_weighted_sum_over_its_size(families, monkeypatch):
    weight_N = np.array([2.0, 0.0] * (NUM // 2))
    weighted = gradients(monkeypatch, families["gpt2"], weight_N=weight_N)
    logits_NK = {}

    def half(logits_BK, targets_BK, moment, **options):
        loss_B = LOSSES["cross-entropy"].rows(logits_BK, targets_BK, moment)
        kept_B = torch.isin(targets_BK[:, 1], torch.from_numpy(soft_labels().dense()[::2, 1]))
        logits_NK[len(logits_NK)] = kept_B
        return 2 * loss_B * kept_B

    assert_same(weighted, gradients(monkeypatch, families["gpt2"], loss=Loss(half)))
    assert all(int(kept_B.sum()) == NUM // 2 for kept_B in logits_NK.values())
    ones = gradients(monkeypatch, families["gpt2"], weight_N=np.ones(NUM))
    assert ones[1].losses == gradients(monkeypatch, families["gpt2"])[1].losses


@contextmanager
def counted(most):
    """Note in most[0] the largest number of bytes that graphs kept alive at once."""
    alive = {}

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            alive[id(self)] = tensor.untyped_storage()
            storages = {each.data_ptr(): each.nbytes() for each in alive.values()}
            most[0] = max(most[0], sum(storages.values()))

        def __del__(self):
            alive.pop(id(self), None)

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        yield


def bytes_kept(folder, **options):
    most = [0]
    with counted(most):
        train(folder, **options)
    return most[0]


@pytest.mark.parametrize("packed", [False, True])
def test_micro_batches_keep_one_graph_at_a_time(families, packed):
    """The released code keeps the graphs of all its minibatches until one backward pass, and so saves nothing."""
    whole, parts = (
        bytes_kept(families["llama"], loss="confidence", options=CONFIDENCE, compute=Compute(packed=packed, budget=b))
        for b in (10_000, 30)
    )
    assert parts < whole / 3


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "bert", "modernbert"])
@pytest.mark.parametrize("packed", [False, True])
def test_checkpointing_computes_layers_twice_and_changes_no_gradient(families, monkeypatch, name, packed):
    """In the released code it is inert: models train in evaluation mode, where transformers ignores it."""
    from torch.nn.functional import scaled_dot_product_attention as attention

    calls = []
    for module in ("torch.nn.functional", "outgrow.models.attention"):
        monkeypatch.setattr(
            f"{module}.scaled_dot_product_attention",
            lambda *args, **options: calls.append(1) or attention(*args, **options),
        )
    plain = gradients(monkeypatch, families[name], compute=Compute(packed=packed))
    once = len(calls)
    again = gradients(monkeypatch, families[name], compute=Compute(packed=packed, checkpointing=True))
    probing = 5  # calls of loading, which are the same both times; there are few of them
    assert len(calls) - once > 1.5 * once - probing * 2
    assert_same(again, plain)


@pytest.mark.parametrize("packed", [False, True])
def test_checkpointing_saves_memory(families, packed):
    kept, dropped = (
        bytes_kept(families["llama"], compute=Compute(packed=packed, checkpointing=each)) for each in (False, True)
    )
    assert dropped < kept / 2


@pytest.mark.parametrize("packed", [False, True])
def test_bf16_keeps_the_weights_in_fp32_and_loses_no_small_update(families, packed):
    """Updates of 1e-5 vanish where the weights are bf16 themselves."""
    compute = Compute("bf16", packed=packed)
    before = load_scorer(families["llama"], head="class", options=("no", "yes"), verbalizer=("0", "1")).state_dict()
    scorer, trained = train(families["llama"], compute=compute, plan={"steps": 20, "lr": 1e-5})
    after = scorer.state_dict()
    assert {each.dtype for each in after.values()} == {torch.float32}
    name = next(key for key in after if key.endswith("q_proj.weight"))
    large = before[name].abs() > 0.01
    assert (after[name] != before[name])[large].float().mean() > 0.99
    exact = train(families["llama"], plan={"steps": 20, "lr": 1e-5})[1]
    assert trained.losses != exact.losses
    np.testing.assert_allclose(trained.losses, exact.losses, atol=0.03)


def test_dropout_draws_the_same_in_both_passes_of_a_micro_batch(families):
    """The pass that makes the target sees the very logits that are trained."""
    first, second = [], []

    def target(logits_BK, targets_BK, moment):
        first.append(logits_BK.clone())
        return targets_BK

    def rows(logits_BK, targets_BK, moment):
        second.append(logits_BK.detach().clone())
        return LOSSES["cross-entropy"].rows(logits_BK, targets_BK, moment)

    torch.manual_seed(0)
    train(families["bert"], loss=Loss(rows, target), dropout=0.3, plan={"steps": 1}, compute=Compute(budget=30))
    assert len(second) > 4
    assert torch.equal(first[0], torch.cat(second))


def test_the_average_of_the_weights_is_kept_where_asked(families):
    trail, box = [], {}

    def note(done, *_):
        trail.append([each.detach().clone() for each in box["scorer"].parameters()])

    from outgrow.training import finetune as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Batches, "backward", _noting_scorer(module._Batches.backward, box))
        scorer, _ = train(families["gpt2"], ema=0.9, plan={"steps": 15, "lr": 1e-2}, progress=note)
    start = box["start"]
    average = [each.numpy().copy() for each in start]
    for step, weights in enumerate(trail, start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        average = [decay * a + (1 - decay) * w.numpy() for a, w in zip(average, weights, strict=True)]
    for found, expected in zip(scorer.parameters(), average, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    last = trail[-1][0]
    assert not torch.allclose(next(iter(scorer.parameters())), last, atol=1e-5)


def _noting_scorer(backward, box):
    def noting(self, rows_B, now):
        box.setdefault("scorer", self._scorer)
        box.setdefault("start", [each.detach().clone() for each in self._scorer.parameters()])
        return backward(self, rows_B, now)

    return noting
