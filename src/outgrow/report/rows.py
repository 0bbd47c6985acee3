"""Comparisons as the rows that page and figures are drawn from: plain data, pooled over seeds and for each seed."""

from typing import Any, TypeAlias

from outgrow.metrics import Estimate, PgrInterval
from outgrow.results import Comparison, Results
from outgrow.words import sentence, verdict

Row: TypeAlias = dict[str, Any]
DIGITS = 8
"""So many that no figure on the page rounds otherwise than in the terminal."""


def all_rows(results: Results) -> list[Row]:
    """Return a row for every comparison (`seed` None), then, where a study has several seeds, one for each seed.

    The rows of one comparison share their `id`. A single seed's intervals cover the test rows only.
    """
    ids = {_name(each): f"c{i}" for i, each in enumerate(results.comparisons)}
    rows = [_row(each, ids[_name(each)], seed=None) for each in results.comparisons]
    if len(results.plan.study.seeds) > 1:
        for seed in results.plan.study.seeds:
            rows += [_row(each, ids[_name(each)], seed=seed) for each in results.of_seed(seed).comparisons]
    return rows


def _name(each: Comparison) -> tuple[str, str, str, str]:
    return each.task, each.supervisor, each.student, each.method


def _row(each: Comparison, row_id: str, *, seed: int | None) -> Row:
    summary, agreement = each.summary, each.agreement
    return {
        "id": row_id,
        "seed": seed,
        "task": each.task,
        "supervisor": each.supervisor,
        "student": each.student,
        "method": each.method,
        "seeds": list(each.seeds),
        "missing": list(each.missing_seeds),
        "weak": _accuracy(summary.weak),
        "accuracy": _accuracy(summary.student),
        "ceiling": _accuracy(summary.ceiling),
        "zero_shot": _accuracy(summary.zero_shot) if summary.zero_shot else None,
        "floor": summary.floor_name,
        "gain": _estimate(summary.gain),
        "pgr": _ratio(summary.pgr),
        "net_pgr": _ratio(summary.net_pgr) if summary.net_pgr else None,
        "net_pgr_reason": summary.net_pgr_reason,
        "agreement": [_rounded(each) for each in (agreement.overall, agreement.where_right, agreement.where_wrong)],
        "counts": [agreement.num_rows, agreement.num_right, agreement.num_wrong],
        "natural": {role: _rounded(value) for role, value in each.natural.items()},
        "diagnostics": {name: _rounded(value) for name, value in each.diagnostics.items()},
        "seconds": round(each.seconds, 2),
        "warnings": list(each.warnings),
        "verdict": verdict(summary.gain),
        "sentence": sentence(each, leave_out=each.warnings),
    }


def _accuracy(each: Estimate) -> list[float | None]:
    """Return an accuracy with its interval, which with two seeds may be wider than accuracies are."""
    return [_rounded(each.mean), _rounded(max(each.low, 0.0)), _rounded(min(each.high, 1.0))]


def _estimate(each: Estimate) -> list[float | None]:
    return [_rounded(each.mean), _rounded(each.low), _rounded(each.high)]


def _ratio(each: PgrInterval) -> dict[str, Any]:
    return {"value": _rounded(each.pgr), "low": _rounded(each.low), "high": _rounded(each.high), "kind": each.kind}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
