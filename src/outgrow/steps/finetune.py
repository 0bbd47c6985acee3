"""Step: one finetuned model. Supervisors, students, ceilings and tuning runs are all this, with other labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from outgrow.dag.work import Context
from outgrow.examples import Examples, Labels
from outgrow.seeds import derive, generator
from outgrow.steps.bench import Bench
from outgrow.training.finetune import Schedule, Validation
from outgrow.training.finetune import finetune as train
from outgrow.training.losses import Moment


def finetune(context: Context) -> dict[str, Any]:
    """Train on the spec's splits with truth or weak labels, predict its evaluation split, keep weights if asked."""
    bench, spec = Bench(context), context.spec
    examples = bench.examples(*spec["train"]["splits"])
    labels = _labels(bench, examples, spec["train"])
    settings = spec["training"]
    steps = max(1, round(settings["epochs"] * len(examples) / settings["batch"]))
    lr = context.inputs["tune"].outputs["lr"] if "tune" in context.inputs else spec["lr"]
    torch.manual_seed(derive(spec["seed"], "finetune", bench.task.name))  # nothing draws from it but a model's dropout
    trained = train(
        bench.scorer,
        bench.tokens(examples),
        labels,
        schedule=Schedule(steps, settings["batch"], lr, settings["weight_decay"], settings["warmup"]),
        loss=spec["loss"],
        loss_options=spec["loss_options"],
        moment=Moment(0.0, bench.task.shared, _prior(bench, labels)),
        rng=generator(spec["seed"], "batches", bench.task.name),
        device=bench.device,
        validation=_validation(bench),
        progress=context.progress,
    )
    if spec["keep_weights"]:
        state = {name: tensor.contiguous().cpu() for name, tensor in bench.scorer.state_dict().items()}
        save_file(state, context.folder / "weights.safetensors")
    return {
        "test": bench.test(spec["evaluate"]),
        "lr": lr,
        "lr_at_edge": "tune" in context.inputs and context.inputs["tune"].outputs["at_edge"],
        "cheating": _cheating(spec),
        "steps": steps,
        "kept_step": trained.kept_step,
        "loss": [round(float(part.mean()), 5) for part in np.array_split(np.array(trained.losses), min(20, steps))],
        "validation_agreement": trained.agreement,
        "label_accuracy": float((labels.predicted() == examples.truth_N).mean()),
    }


def _cheating(spec: Mapping[str, Any]) -> list[str]:
    """Return what a student trained on weak labels was told of the truth."""
    stopped_on_truth = spec["train"]["labels"] == "weak" and (spec["validation"] or {}).get("labels") == "truth"
    return ["stopped on the truth of student_validation"] if stopped_on_truth else []


def _labels(bench: Bench, examples: Examples, kind: dict[str, Any]) -> Labels:
    if kind["labels"] == "truth":
        return Labels.from_truth(examples, bench.task.num_options)
    labels = bench.weak_labels().take(examples.ids)
    return labels.hard() if kind["hard"] else labels


def _prior(bench: Bench, labels: Labels) -> float:
    """Return the share of class 1: one half where the task is balanced, else the mean weak label; never the truth."""
    if bench.task.balanced or not bench.task.shared:
        return 0.5
    return float(labels.dense()[:, 1].mean())


def _validation(bench: Bench) -> Validation | None:
    kind = bench.spec["validation"]
    if kind is None:
        return None
    examples = bench.examples(kind["split"])
    predicted_N = _labels(bench, examples, {"labels": kind["labels"], "hard": True}).predicted()
    return Validation(bench.tokens(examples), predicted_N, bench.spec["training"]["checks"])
