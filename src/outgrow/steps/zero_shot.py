"""Step: an untuned model on test, read by its head, or by what it writes."""

from typing import Any

from outgrow.dag.work import Context
from outgrow.steps.launch import in_every_process
from outgrow.steps.writing import bench_of
from outgrow.tasks import task_of


@in_every_process
def zero_shot(context: Context) -> dict[str, Any]:
    """Predict the test split with the pretrained weights; options that are texts by their log-probability."""
    kind = task_of(context.spec).head
    bench = bench_of(context, head="completion" if kind == "reward" else None)
    bench.spread()
    return {"test": bench.test()}
