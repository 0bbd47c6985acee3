"""The table of step functions and their versions. Raise a version when its function's numbers change."""

from collections.abc import Mapping
from typing import Any

from outgrow.dag.step import Step

STEP_VERSIONS = {
    "selfplay": 1,
    "positions": 1,
    "corpus": 1,
    "pretrain": 1,
    "export": 1,
    "task": 2,
    "finetune": 2,
    "label": 1,
    "label_file": 1,
    "tune": 1,
    "zero_shot": 1,
    "features": 2,
    "background": 1,
    "generative": 2,
    "probe": 1,
    "probe_label": 1,
    "pool": 1,
    "prompt": 1,
    "mine_puzzles": 1,
    "mine_blunders": 1,
    "assemble_puzzles": 1,
    "assemble_blunders": 1,
    "mine_preferences": 1,
    "assemble_preferences": 1,
}


def step(
    kind: str,
    spec: Mapping[str, Any],
    inputs: Mapping[str, Step] | None = None,
    *,
    title: str = "",
    places: Mapping[str, str] | None = None,
) -> Step:
    """Return the step of this kind: the function `kind` of the module `outgrow.steps.<kind>`."""
    return Step(f"outgrow.steps.{kind}:{kind}", STEP_VERSIONS[kind], spec, inputs or {}, title or kind, places or {})
