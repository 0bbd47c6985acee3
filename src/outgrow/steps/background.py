"""Step: texts of a task's groups for generative finetuning, where the task has others than its rows."""

from typing import Any

from outgrow.dag.work import Context
from outgrow.errors import StepError
from outgrow.tables import write_examples
from outgrow.tasks import task_of


def background(context: Context) -> dict[str, Any]:
    """Read them and write background.parquet."""
    task = task_of(context.spec)
    if task.background is None:
        raise StepError(f"the task {task.name} has no texts but its rows")
    examples = task.background(context.spec, context.places)
    write_examples(context.folder / "background.parquet", examples)
    return {"rows": len(examples)}
