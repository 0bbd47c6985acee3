"""Step: a probe's labels on one split."""

from typing import Any

from safetensors.torch import load_file

from outgrow.dag.work import Context
from outgrow.steps.desk import Desk
from outgrow.training.probes import Probe


def probe_label(context: Context) -> dict[str, Any]:
    """Load the weights of input `model` and write labels.parquet for the spec's split.

    On the split test, which is that of another task than it was trained on, it is tested as any model is.
    """
    desk, model = Desk(context), context.inputs["model"]
    state = load_file(model.path("weights.safetensors"))
    probe = Probe(state["weight"], state["bias"])
    if context.spec["split"] == "test":
        tested = desk.score("test", lambda rows: desk.probed(probe, rows))
        return {"test": tested, "cheating": model.outputs["cheating"]}
    examples = desk.examples(context.spec["split"])
    labels = desk.write(examples, desk.probed(probe, examples), file="labels.parquet")
    return {"rows": len(examples), "accuracy": float((labels.predicted() == examples.truth_N).mean())}
