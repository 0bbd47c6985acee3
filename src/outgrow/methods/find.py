"""From a name in a study to a method, and whether a task has what the method needs."""

from outgrow.errors import UsageError, unknown
from outgrow.methods.method import Method
from outgrow.methods.own import own_method
from outgrow.methods.table import METHODS
from outgrow.tasks import Task


def find_method(name: str) -> Method:
    """Return the method of this name, or that of a user's .py file; UsageError says what is wrong with it."""
    if name in METHODS:
        return METHODS[name]
    if name.endswith(".py"):
        return own_method(name)
    raise unknown("method", name, METHODS, remedy="Or name a .py file.")


def check_method(method: Method, task: Task, *, num_supervisors: int = 1) -> None:
    """Raise UsageError where the task, or the comparison, lacks what the method requires."""
    if task.head == "text":
        _check_writable(method, task)
    kind = f"{task.num_options} shared classes" if task.shared else "exchangeable options"
    lacks = {
        "shared-options": (not task.shared, f"the same classes in every row; {task.name} has {kind}"),
        "two-options": (task.num_options != 2, f"two options; {task.name} has {task.num_options:,}"),
        "can-harden": (
            task.shared and task.num_options != 2,
            f"two shared classes, or exchangeable options; {task.name} has {kind}",
        ),
        "features": (
            task.head == "reward" and bool(method.transforms),  # a probe reads a vector of every option
            f"one feature vector a row; the options of {task.name} are texts with a vector each",
        ),
        "words": (not task.words, f"answer words to ask for; {task.name} has none"),
        "several-supervisors": (
            num_supervisors < 2,
            f"several supervisors; this comparison on {task.name} names {num_supervisors}",
        ),
    }
    for each in method.requires:
        missing, what = lacks.get(each, (False, ""))
        if missing:
            raise UsageError(f"the method {method.name} needs {what}")


def _check_writable(method: Method, task: Task) -> None:
    """Raise UsageError for a method that needs more of a label than its text."""
    needs = {
        f"the loss {method.loss} looks at probabilities": method.loss != "cross-entropy",
        "its label transform looks at options": bool(method.transforms),
        "it pools the probabilities of supervisors": bool(method.pool),
        "a probe writes no text": method.tuning in ("probe", "probe-then-full"),
        "it stops early, by choosing among options": bool(method.stop),
    }
    for why, is_so in needs.items():
        if is_so:
            raise UsageError(f"the method {method.name} is not for {task.name}, whose labels are free text: {why}")
