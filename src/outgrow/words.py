"""What a study shows, in generated sentences. A null result is called one, and so is harm."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from outgrow.methods import Method
from outgrow.metrics import Estimate
from outgrow.numerals import percent, plural, signed, span
from outgrow.results import Comparison, Results

Verdict = Literal["gain", "no gain", "loss"]
OTHERS: dict[Verdict, str] = {"no gain": "no gain", "loss": "a loss"}


def verdict(gain: Estimate) -> Verdict:
    """Return what the interval of a gain over the floor allows to say."""
    if gain.low > 0:
        return "gain"
    return "loss" if gain.high < 0 else "no gain"


def findings(results: Results) -> list[str]:
    """Return the sentences that say what the finished comparisons show, the most general first."""
    comparisons = results.comparisons
    if not comparisons:
        return ["No comparison is finished yet, so there is nothing to show."]
    common = _common_warnings(comparisons)
    return [
        headline(comparisons),
        *(sentence(each, leave_out=common) for each in comparisons),
        *contrasts(results),
        *(f"In every comparison: {warning}." for warning in common),
        *_together(results),
    ]


def headline(comparisons: Sequence[Comparison]) -> str:
    """Return how many comparisons show a gain, none, or a loss."""
    counts = Counter(verdict(each.summary.gain) for each in comparisons)
    total = plural(len(comparisons), "comparison")
    rest = [f"{name} in {counts[kind]}" for kind, name in OTHERS.items() if counts[kind]]
    floor = "the floor (the better of supervisor and zero-shot)"
    if not counts["gain"]:
        loss = f"; a loss in {counts['loss']}" if counts["loss"] else ""
        return f"No gain: in none of {total} does the student end reliably above {floor}{loss}."
    return f"The student ends above {floor} in {counts['gain']} of {total}{''.join(f'; {each}' for each in rest)}."


def sentence(comparison: Comparison, *, leave_out: Sequence[str] = ()) -> str:
    """Return what one comparison shows, with the warnings that belong to it."""
    gain = comparison.summary.gain
    floor = "its supervisor" if comparison.summary.floor_name == "weak" else "its own zero-shot accuracy"
    interval = span(gain.low, gain.high)
    told = {
        "gain": f"gain. {percent(gain.mean)} points above {floor} {interval}{_share(comparison)}.",
        "no gain": f"no gain. {signed(gain.mean)} points against {floor}, an interval that covers 0 {interval}.",
        "loss": f"no gain but a loss. {percent(-gain.mean)} points below {floor} {span(-gain.high, -gain.low)}.",
    }[verdict(gain)]
    warnings = [f" {each[0].upper()}{each[1:]}." for each in comparison.warnings if each not in leave_out]
    return f"{place(comparison)}, {comparison.method}: {told}{''.join(warnings)}"


def place(comparison: Comparison) -> str:
    """Return where a comparison stands: task and pair."""
    return f"{comparison.task}, {comparison.supervisor} -> {comparison.student}"


def _share(comparison: Comparison) -> str:
    net = comparison.summary.net_pgr
    if net is None or net.pgr is None or not net.bounded:
        return ""
    if net.pgr > 1:
        return ", beyond the ceiling"
    return f", {percent(net.pgr)}% of the way to the ceiling"


def contrasts(results: Results) -> Iterator[str]:
    """Yield how each method compares, row by row, with the one it has to beat."""
    known = {(each.task, each.supervisor, each.student, each.method): each for each in results.comparisons}
    for each in results.comparisons:
        name, relation = _rival(results.plan.methods[each.method])
        rival = known.get((each.task, each.supervisor, each.student, name))
        difference = results.difference(each, rival) if rival else None
        if difference is not None:
            yield f"{place(each)}: {each.method} {_against(difference)} {relation}{_points(difference)}."


def _rival(method: Method) -> tuple[str, str]:
    if method.control:
        return method.control, "its compute control"
    if method.loss.startswith("confidence"):
        return ("naive-hard", "naive-hard") if method.labels == "hard" else ("naive", "naive")
    return "", ""


def _against(difference: Estimate) -> str:
    return {"gain": "beats", "no gain": "cannot be told from", "loss": "falls behind"}[verdict(difference)]


def _points(difference: Estimate) -> str:
    return f": {signed(difference.mean)} points {span(difference.low, difference.high)}"


def _common_warnings(comparisons: Sequence[Comparison]) -> list[str]:
    if len(comparisons) == 1:
        return []
    return [warning for warning in comparisons[0].warnings if all(warning in each.warnings for each in comparisons)]


def _together(results: Results) -> Iterator[str]:
    comparisons = results.comparisons
    if len(comparisons) == 1:
        return
    figures = results.aggregates()
    ratio, median, left_out = (
        figures[n] for n in ("ratio_of_mean_gains", "median_pgr_median", "median_pgr_num_left_out")
    )
    gap = sum(each.summary.ceiling.mean - each.summary.weak.mean for each in comparisons)
    unbounded = sum(not each.summary.pgr.bounded for each in comparisons)
    # Two losses make a positive ratio: without a gap it would read as a success.
    ratio_told = "undefined, as ceilings are not above supervisors on average"
    if ratio is not None and gap > 0:
        ratio_told = f"{percent(ratio)}%"
    notes = [f"{unbounded} of them unbounded"] if unbounded else []
    notes += [f"{left_out} left out of the median as undefined"] if left_out else []
    told = "; ".join([*notes, "no interval, as they share models and rows"])
    median_told = "undefined" if median is None else f"{percent(median)}%"
    yield f"All {len(comparisons)} together: median PGR {median_told}, ratio of mean gains {ratio_told} ({told})."
