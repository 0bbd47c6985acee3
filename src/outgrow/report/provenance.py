"""Where a study's numbers come from: its spec, every finished step, the machines and libraries, the time it took."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import yaml

from outgrow.dag.step import closure
from outgrow.plan import Plan
from outgrow.results import Results

Plain: TypeAlias = dict[str, Any]
MACHINE = ("cpu", "cores", "device", "threads", "platform", "python")
"""What is told of a machine. Its name is not: the page is made to be sent on."""


def study_yaml(plan: Plan) -> str:
    """Return the study's whole spec, defaults filled in, as YAML that can be run again."""
    return yaml.safe_dump(plan.study.plain(), sort_keys=False, allow_unicode=True, width=100)


def finished_steps(results: Results) -> list[Plain]:
    """Return key, kind, title, time, memory and machine of every step that is in the store, inputs first."""
    found = []
    for key, step in closure(results.plan.targets).items():
        artefact = results.store.get(key)
        if artefact is not None:
            made = artefact.record["provenance"]
            found.append({"key": key, "kind": step.kind, "title": step.title or step.kind, "made": made})
    return found


def step_table(steps: Iterable[Plain]) -> list[list[Any]]:
    """Return a line for every step: title, kind, key, seconds, peak memory in MB, start as seconds since 1970."""
    return [
        [
            each["title"],
            each["kind"],
            each["key"],
            round(each["made"]["seconds"], 2),
            each["made"].get("peak_memory_mb"),
            round(each["made"]["started"]),
        ]
        for each in steps
    ]


def cost_by_kind(steps: Iterable[Plain]) -> list[Plain]:
    """Return per kind of step how many there are, the seconds they took and the most memory one of them used."""
    kinds: dict[str, Plain] = {}
    for each in steps:
        row = kinds.setdefault(each["kind"], {"kind": each["kind"], "steps": 0, "seconds": 0.0, "peak_memory_mb": 0.0})
        row["steps"] += 1
        row["seconds"] = round(row["seconds"] + each["made"]["seconds"], 2)
        row["peak_memory_mb"] = max(row["peak_memory_mb"], each["made"].get("peak_memory_mb") or 0.0)
    return sorted(kinds.values(), key=lambda row: -row["seconds"])


def machines(steps: Iterable[Plain]) -> list[Plain]:
    """Return every machine that steps ran on, as hardware and Python, with the number of steps."""
    return _counted({name: str(each["made"].get(name, "")) for name in MACHINE} for each in steps)


def versions(steps: Iterable[Plain]) -> list[Plain]:
    """Return per library every version that steps were computed with, with the number of steps."""
    return _counted(
        {"package": name, "version": version}
        for each in steps
        for name, version in sorted(each["made"].get("packages", {}).items())
    )


def _counted(rows: Iterable[Mapping[str, str]]) -> list[Plain]:
    counts = Counter(tuple(row.items()) for row in rows)
    return [{**dict(items), "steps": count} for items, count in sorted(counts.items())]
