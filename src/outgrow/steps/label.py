"""Step: a finetuned model's labels on one split. Labels and their accuracy land together."""

from typing import Any

from outgrow.dag.work import Context
from outgrow.models.weights import load_trained
from outgrow.steps.launch import in_every_process
from outgrow.steps.writing import bench_of


@in_every_process
def label(context: Context) -> dict[str, Any]:
    """Load the weights of input `model` and write labels.parquet for the spec's split.

    On the split test, which is that of another task than it was trained on, it is tested as any model is.
    """
    bench, model = bench_of(context), context.inputs["model"]
    load_trained(bench.scorer, model.path("weights.safetensors"))
    bench.spread()
    if context.spec["split"] == "test":
        return {"test": bench.test(), "cheating": model.outputs["cheating"]}
    examples = bench.examples(context.spec["split"])
    labels = bench.predict(examples, file="labels.parquet")
    accuracy = float((labels.predicted() == examples.truth_N).mean())
    return {"rows": len(examples), "accuracy": accuracy}
