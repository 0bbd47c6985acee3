"""Weak-to-strong generalization, measured: whether a student can outgrow its supervisor."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outgrow.api import run
    from outgrow.dag.store import Store
    from outgrow.errors import StepError, UsageError
    from outgrow.plan import Cell, Plan, make_plan
    from outgrow.results import Comparison, Results
    from outgrow.spec import Study
    from outgrow.study_file import load_study
    from outgrow.task_rows import rows

__all__ = [
    "Cell",
    "Comparison",
    "Plan",
    "Results",
    "StepError",
    "Store",
    "Study",
    "UsageError",
    "load_study",
    "make_plan",
    "rows",
    "run",
]
__version__ = "0.1.0"

_HOMES = {
    "outgrow.api": ("run",),
    "outgrow.dag.store": ("Store",),
    "outgrow.errors": ("StepError", "UsageError"),
    "outgrow.plan": ("Cell", "Plan", "make_plan"),
    "outgrow.results": ("Comparison", "Results"),
    "outgrow.spec": ("Study",),
    "outgrow.study_file": ("load_study",),
    "outgrow.task_rows": ("rows",),
}


def __getattr__(name: str) -> Any:
    # Names are looked up when first used: `outgrow --help` must not wait for numpy, scipy and pydantic.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
