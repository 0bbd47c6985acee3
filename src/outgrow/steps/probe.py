"""Step: a linear probe on stored features. Supervisors, students and ceilings alike, with other labels."""

from typing import Any

import torch
from safetensors.torch import save_file

from outgrow.dag.work import Context
from outgrow.seeds import generator
from outgrow.steps.desk import Desk
from outgrow.steps.own import loss_of
from outgrow.steps.targets import targets, told
from outgrow.training.probes import fit_probe


def probe(context: Context) -> dict[str, Any]:
    """Fit on the spec's splits with truth or weak labels, predict its evaluation split, keep the probe's weights."""
    desk, spec = Desk(context), context.spec
    torch.set_num_threads(context.runtime.threads)
    found = targets(desk, desk.examples(*spec["train"]["splits"]))
    l2 = context.inputs["tune"].outputs["l2"] if "tune" in context.inputs else spec["l2"]
    fitted = fit_probe(
        desk.features(found.examples),
        found.labels.dense(),
        found.weight_N,
        loss=loss_of(desk),
        loss_options=spec["loss_options"],
        moment=found.moment,
        l2=l2,
        rng=generator(spec["seed"], "batches", desk.task.name),
        exists_NK=desk.exists(found.examples),
    )
    save_file({"weight": fitted.weight_KD, "bias": fitted.bias_K}, context.folder / "weights.safetensors")
    return {
        "test": desk.score(spec["evaluate"], lambda rows: desk.probed(fitted, rows)),
        "l2": l2,
        "l2_at_edge": "tune" in context.inputs and context.inputs["tune"].outputs["at_edge"],
        "loss": fitted.loss,
        **told(found),
    }
