"""Whether the settings of a block of the grid fit its task: what does not is refused before anything runs."""

from outgrow.errors import UsageError
from outgrow.methods import Method
from outgrow.spec import Comparison, Rows, Training
from outgrow.tasks import Task

PROBED = ("probe", "probe-then-full")
OF_THE_LOOP = ("weight_decay", "dropout", "ema", "curve", "checkpointing")
"""Settings of finetuning that are off at zero, and that a probe has no use for."""
FREE = "labels are free text, and"
SMALLEST_BATCH = 8
"""Of losses that harden a batch: four rows of each of two classes."""


def check_block(task: Task, block: Comparison, rows: Rows, training: Training) -> None:
    """Raise UsageError with the remedy where a setting cannot be honoured on this task."""
    written, classes = task.head == "text", task.num_options if task.balanced else 1
    uneven = [name for name, size in (rows.split_sizes(0) | {"test": rows.test}).items() if size % classes]
    idle = [name for name in OF_THE_LOOP if training.tuning == "probe" and getattr(training, name)]
    refused = [
        (idle, f"a probe has no training.{', training.'.join(idle)}: leave that out, or set training.tuning to full"),
        (
            training.head == "completion" and task.head != "reward",
            "training.head completion is for options that are texts",
        ),
        (
            training.chat_template and not task.dialogues,
            "its prompts are not dialogues: set training.chat_template to false for it",
        ),
        (written and training.tuning in PROBED, f"{FREE} a probe writes none: set training.tuning to full or lora"),
        (written and training.stop != "last", f"{FREE} there is no stopping early: set training.stop to last"),
        (written and training.curve, f"{FREE} there is no curve: set training.curve to 0"),
        (
            uneven,
            f"every split has as many rows of each of its {classes} classes: "
            f"{', '.join(f'rows.{name}' for name in uneven)} must be a multiple of {classes}",
        ),
        (block.task in block.test_on, "test_on names the task itself, which is tested anyway"),
    ]
    for is_so, why in refused:
        if is_so:
            raise UsageError(f"{task.name}: {why}")


def check_batch(task: Task, method: Method, training: Training) -> None:
    """Raise UsageError where the batch is too small for a loss that is a statistic of it."""
    hardens = method.loss == "confidence" and task.shared and training.tuning != "probe"
    if hardens and training.batch < SMALLEST_BATCH:
        raise UsageError(
            f"{task.name}: {method.name} needs {SMALLEST_BATCH // 2} rows of each class in a batch: "
            f"training.batch is {training.batch}, raise it to {SMALLEST_BATCH} at least"
        )
