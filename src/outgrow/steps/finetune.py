"""Step: one finetuned model. Supervisors, students, ceilings and tuning runs are all this, with other labels."""

from typing import Any

import torch

from outgrow.dag.work import Context
from outgrow.examples import Labels
from outgrow.seeds import derive, generator
from outgrow.steps.bench import Bench
from outgrow.steps.launch import in_every_process
from outgrow.steps.own import loss_of
from outgrow.steps.targets import Targets, targets, told
from outgrow.steps.writing import bench_of
from outgrow.training.finetune import Compute, Curve, Schedule, Validation
from outgrow.training.finetune import finetune as train
from outgrow.training.inference import predict

CURVE_ROWS = 512


@in_every_process
def finetune(context: Context) -> dict[str, Any]:
    """Train on the spec's splits with truth or weak labels, predict its evaluation split, keep weights if asked."""
    bench, spec = bench_of(context), context.spec
    found = targets(bench, bench.examples(*spec["train"]["splits"]))
    settings = spec["training"]
    lr = context.inputs["tune"].outputs["lr"] if "tune" in context.inputs else spec["lr"]
    schedule = Schedule.over(
        len(found.examples), lr=lr, **{name: settings[name] for name in ("epochs", "batch", "weight_decay", "warmup")}
    )
    process = (bench.share.rank,) if bench.share.rank else ()
    torch.manual_seed(derive(spec["seed"], "finetune", bench.task.name, *process))  # only a model's dropout draws
    bench.spread()
    trained = train(
        bench.scorer,
        bench.inputs(found.examples),
        found.labels,
        schedule=schedule,
        loss=loss_of(bench),
        loss_options=spec["loss_options"],
        moment=found.moment,
        rng=generator(spec["seed"], "batches", bench.task.name),
        weight_N=found.weight_N,
        compute=Compute(settings["precision"], packed=bench.packed, checkpointing=settings["checkpointing"]),
        ema=settings["ema"],
        share=bench.share,
        validation=_validation(bench),
        curve=_curve(bench, found),
        progress=context.progress,
    )
    if spec["keep_weights"]:
        bench.keep_weights()
    return {
        "test": bench.test(spec["evaluate"]),
        "lr": lr,
        "lr_at_edge": "tune" in context.inputs and context.inputs["tune"].outputs["at_edge"],
        "steps": schedule.steps,
        "kept_step": trained.kept_step,
        "loss": trained.course,
        "validation_agreement": trained.agreement,
        "batching": trained.batching,
        "micro_batch_tokens": trained.budget,
        "head_start": bench.scorer.start,
        **({"curve": trained.curve} if trained.curve else {}),
        **told(found),
        **bench.computed(),
    }


def _curve(bench: Bench, found: Targets) -> Curve | None:
    """Return what is looked at during training: truth on fixed test rows, and the labels learned from on some rows."""
    points = bench.spec.get("curve", 0)
    if not points:
        return None
    test, learned = bench.examples("test"), found.labels.take(found.labels.ids[:CURVE_ROWS])
    test = test.take(test.ids[:CURVE_ROWS])
    rows = found.examples.take(learned.ids)
    inputs = [(bench.inputs(test), test.truth_N), (bench.inputs(rows), learned.predicted())]
    precision = bench.spec["training"]["precision"]

    def look() -> dict[str, float]:
        shares = [
            float((predict(bench.scorer, each, precision=precision).argmax(1) == right_N).mean())
            for each, right_N in inputs
        ]
        return dict(zip(("accuracy", "agreement"), shares, strict=True))

    return Curve(points, look)


def _validation(bench: Bench) -> Validation | None:
    kind = bench.spec["validation"]
    if kind is None:
        return None
    examples = bench.examples(kind["split"])
    truth = Labels.from_truth(examples, bench.task.num_options)
    labels = truth if kind["labels"] == "truth" else bench.weak_labels().take(examples.ids)
    return Validation(bench.inputs(examples), labels.predicted(), kind["checks"])
