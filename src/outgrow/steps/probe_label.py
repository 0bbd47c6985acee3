"""Step: a probe's labels on one split."""

from typing import Any

from safetensors.torch import load_file

from outgrow.dag.work import Context
from outgrow.steps.desk import Desk
from outgrow.training.probes import Probe


def probe_label(context: Context) -> dict[str, Any]:
    """Load the weights of input `model` and write labels.parquet for the spec's split."""
    desk = Desk(context)
    state = load_file(context.inputs["model"].path("weights.safetensors"))
    probe = Probe(state["weight"], state["bias"])
    examples = desk.examples(context.spec["split"])
    labels = desk.write(examples, probe.probabilities(desk.features(examples)), file="labels.parquet")
    return {"rows": len(examples), "accuracy": float((labels.predicted() == examples.truth_N).mean())}
