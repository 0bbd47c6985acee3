"""The table of tasks: rows become examples, one small file a family. No torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from outgrow.errors import UsageError, unknown
from outgrow.spec import OwnTask
from outgrow.tasks.base import ASSETS, Located, Rows, Task, Where
from outgrow.tasks.chess import CHESS_TASKS
from outgrow.tasks.nlp import NLP_TASKS
from outgrow.tasks.own import own_task
from outgrow.tasks.own_pairs import own_pairs
from outgrow.tasks.preference_sets import PREFERENCE_TASKS

__all__ = ["ASSETS", "TASKS", "Located", "Rows", "Task", "Where", "find_task", "task_of"]

TASKS: dict[str, Task] = {task.name: task for task in (*CHESS_TASKS, *NLP_TASKS, *PREFERENCE_TASKS)}


def find_task(name: str, own: Sequence[OwnTask] = ()) -> Task:
    """Return the task of this name, the study's own among them; UsageError names the nearest ones."""
    mine = {each.name: each for each in own}
    taken = sorted(set(mine) & set(TASKS))
    if taken:
        raise UsageError(f"the study's own task {taken[0]} has the name of a built-in one: give it another name")
    if name in mine:
        return _own(mine[name])
    if name not in TASKS:
        raise unknown("task", name, [*TASKS, *mine])
    return TASKS[name]


def task_of(spec: Mapping[str, Any]) -> Task:
    """Return the task that a step's spec names under `task`; a study's own comes along under `own`."""
    return _own(OwnTask.model_validate(spec["own"])) if "own" in spec else find_task(spec["task"])


def _own(own: OwnTask) -> Task:
    return own_pairs(own) if own.compared else own_task(own)
