"""Step: finetuning on texts as language, before any labels (Burns et al. 2023, section 5.2.2)."""

from typing import Any

import numpy as np
from torch import Tensor

from outgrow.dag.work import Context
from outgrow.examples import Examples, Labels
from outgrow.seeds import generator
from outgrow.steps.bench import Bench
from outgrow.steps.launch import in_every_process
from outgrow.tables import read_examples
from outgrow.training.finetune import Compute, Schedule, finetune
from outgrow.training.losses import Loss, moment_at_start


@in_every_process
def generative(context: Context) -> dict[str, Any]:
    """Train on every token of the split's texts and keep the weights; which option is right is not looked at."""
    bench, spec = Bench(context, head="completion"), context.spec
    texts = background(bench)
    inputs, settings = bench.inputs(texts, num_options=1), spec["training"]
    labels = Labels(texts.ids, np.zeros((len(texts), 1), np.int32), np.ones((len(texts), 1), np.float32), 1)
    per_row = float((np.diff(inputs.start) - inputs.scored_S).sum() / len(texts))
    schedule = Schedule.over(
        len(texts),
        epochs=spec["epochs"],
        batch=settings["batch"],
        lr=spec["lr"],
        weight_decay=0.0,
        warmup=settings["warmup"],
    )

    def rows(logits_BK: Tensor, targets_BK: Tensor, moment: Any, **_: Any) -> Tensor:
        del targets_BK, moment
        return -logits_BK[:, 0] / per_row  # so that a batch's loss is about the mean over its tokens

    bench.spread()
    trained = finetune(
        bench.scorer,
        inputs,
        labels,
        schedule=schedule,
        loss=Loss(rows),
        loss_options={},
        moment=moment_at_start(labels, shared=False, balanced=False),
        rng=generator(spec["seed"], "generative", bench.task.name),
        compute=Compute(settings["precision"], packed=bench.packed, checkpointing=settings["checkpointing"]),
        share=bench.share,
        progress=context.progress,
    )
    bench.keep_weights()
    return {"texts": len(texts), "steps": schedule.steps, "loss": trained.course} | bench.computed()


def background(bench: Bench) -> Examples:
    """Return what is learned as language: each row's prompt with each of its completions, or its text.

    A task that has texts of its own for this gives those of the groups of the split's rows.
    """
    rows = bench.examples(bench.spec["split"])
    if "background" in bench.context.inputs:
        own = read_examples(bench.context.inputs["background"].path("background.parquet"))
        groups = set(rows.groups)
        return own.take([each for each, group in zip(own.ids, own.groups, strict=True) if group in groups])
    options = rows.completions or (("",),) * len(rows)
    texts = [
        (f"{each}/{i}", text + option)
        for each, text, row in zip(rows.ids, rows.texts, options, strict=True)
        for i, option in enumerate(sorted(row))  # whichever stands first, the same batches
    ]
    ids, whole = zip(*texts, strict=True)
    return Examples(ids, ids, ("",) * len(ids), np.zeros(len(ids), np.int64), tuple((t,) for t in whole))
