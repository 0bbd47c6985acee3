"""The table of step functions and their versions. Raise a version when its function's numbers change."""

from collections.abc import Mapping
from typing import Any

from outgrow.dag.step import Step

STEP_VERSIONS = {
    "selfplay": 1,
}


def step(kind: str, spec: Mapping[str, Any], inputs: Mapping[str, Step] | None = None, *, title: str = "") -> Step:
    """Return the step of this kind: the function `kind` of the module `outgrow.steps.<kind>`."""
    return Step(f"outgrow.steps.{kind}:{kind}", STEP_VERSIONS[kind], spec, inputs or {}, title or kind)
