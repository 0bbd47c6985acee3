"""One process of a sharded run: train a tiny model on made-up rows, write down what this process saw."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from outgrow.examples import Examples, Labels
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.training.batches import encode
from outgrow.training.finetune import Compute, Schedule, finetune
from outgrow.training.inference import predict
from outgrow.training.losses import LOSSES, Moment
from outgrow.training.sharded import Share, shard, start, whole_state

NUM = 30
norms = []


class Noting(torch.optim.AdamW):
    """AdamW that notes the norm of the whole gradient."""

    def step(self):
        grads = [each.grad for group in self.param_groups for each in group["params"] if each.grad is not None]
        norm = torch.nn.utils.get_total_norm(grads)
        norms.append(float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm))
        super().step()


def held(scorer):
    return sum((p.to_local() if hasattr(p, "to_local") else p).numel() for p in scorer.parameters())


def main(folder, out, settings):
    share = start() if "RANK" in os.environ else Share()
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("!abcdefghijklmnop"), rng.integers(1, 14))) for _ in range(NUM)]
    ids = tuple(str(i) for i in range(NUM))
    rows = Examples(ids, ids, tuple(texts), np.array([int("a" in text or "b" in text) for text in texts]))
    scorer = load_scorer(
        folder, head="class", options=("no", "yes"), verbalizer=("0", "1"), adapter=settings.get("adapter")
    )
    whole = held(scorer)
    if share.world > 1:
        shard(scorer, share)
    inputs = encode(load_tokenizer(folder), rows, head="class", limit=24)
    torch.optim.AdamW = Noting
    trained = finetune(
        scorer,
        inputs,
        Labels.from_truth(rows, 2),
        schedule=Schedule(steps=8, batch=15, lr=3e-3, weight_decay=0.0, warmup=0.1),
        loss=LOSSES[settings["loss"]],
        loss_options={"weight": 0.5, "warmup": 0.2},
        moment=Moment(0.0, shared=True),
        rng=np.random.default_rng(0),
        compute=Compute(packed=settings["packed"], budget=settings["budget"]),
        share=share,
    )
    found_NK = predict(scorer, inputs)
    kept = whole_state(scorer)  # all processes take part
    told = {
        "rank": share.rank,
        "world": torch.distributed.get_world_size() if share.world > 1 else 1,
        "whole": whole,
        "held": held(scorer),
        "losses": trained.losses,
        "norms": norms,
        "probabilities": found_NK.tolist(),
        "accuracy": float((found_NK.argmax(1) == rows.truth_N).mean()),
        "kept": sorted((name, list(each.shape)) for name, each in kept.items()),
    }
    (Path(out) / f"{share.rank}.json").write_text(json.dumps(told))
    if share.world > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
