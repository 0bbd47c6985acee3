"""Weak-to-strong generalization, measured: can a student outgrow its supervisor?"""

from outgrow.api import run
from outgrow.dag.store import Store
from outgrow.errors import StepError, UsageError
from outgrow.plan import Plan, make_plan
from outgrow.results import Comparison, Results
from outgrow.spec import Study, load_study

__all__ = [
    "Comparison",
    "Plan",
    "Results",
    "StepError",
    "Store",
    "Study",
    "UsageError",
    "load_study",
    "make_plan",
    "run",
]
__version__ = "0.1.0"
