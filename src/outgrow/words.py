"""What a study shows, in generated sentences. A null result is called one, and so is harm.

A small study is told comparison by comparison, a large one by task and method.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isfinite
from statistics import fmean, median
from typing import Literal

from outgrow.methods import Method
from outgrow.metrics import Estimate, PgrInterval
from outgrow.numerals import percent, plural, signed, span
from outgrow.results import Comparison, Results, Role
from outgrow.spec import Study

Verdict = Literal["gain", "no gain", "loss"]
OTHERS: dict[Verdict, str] = {"no gain": "no gain", "loss": "a loss"}
AGAINST: dict[Verdict, str] = {"gain": "beats", "no gain": "cannot be told from", "loss": "falls behind"}
MOST_LISTED = 12
"""Of more comparisons than this nobody reads a sentence each."""
NATURAL = {
    "accuracy": "accuracy on test rows in their natural mix",
    "question": "the share of questions whose right answer scores highest",
}
"""What the second figure of a task is, by its kind."""
RULES = {
    "length_control": ("chose_longest", "the longest option"),
    "capture_control": ("chose_capture", "a move that captures"),
}
"""Rules that read nothing: the figure of how often models choose as the rule does, and what it chooses."""
CHOOSERS = {"weak": "supervisors", "zero_shot": "untuned students", "result": "students", "ceiling": "ceilings"}
TAIL = 0.025
"""How often the 95% interval of a difference that is zero lies above it by chance."""


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
    return [
        headline(comparisons),
        *_shifts(results),
        *(_by_method(results) if len(comparisons) > MOST_LISTED else _one_by_one(results)),
        *_together(results),
    ]


def _one_by_one(results: Results) -> Iterator[str]:
    common = _common_warnings(results.comparisons)
    yield from (sentence(each, leave_out=common) for each in results.comparisons)
    yield from contrasts(results)
    yield from (f"In every comparison: {warning}." for warning in common)


def _by_method(results: Results) -> Iterator[str]:
    comparisons = results.comparisons
    chance = max(1, round(TAIL * len(comparisons)))
    yield (
        f"Were there no gain and no loss anywhere, of {len(comparisons)} intervals of 95% about {chance} would still "
        f"show a gain by chance, and about {chance} a loss."
    )
    for task, of_task in groupby(comparisons, key=lambda each: each.task):
        by_method: dict[str, list[Comparison]] = {}
        for each in of_task:
            by_method.setdefault(each.method, []).append(each)
        yield from (f"{task}, {method}: {_tally(pairs)}" for method, pairs in by_method.items())
    yield from contrasts_by_method(results)
    counts = Counter(warning for each in comparisons for warning in each.warnings)
    for warning, number in counts.most_common():
        where = "every comparison" if number == len(comparisons) else f"{number} of {len(comparisons)} comparisons"
        yield f"In {where}: {warning}."


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
    warnings = [f" {_sentence(each)}" for each in comparison.warnings if each not in leave_out]
    return f"{place(comparison)}, {comparison.method}: {told}{''.join(warnings)}"


def place(comparison: Comparison) -> str:
    """Return where a comparison stands: task and pair."""
    return f"{comparison.task}, {comparison.supervisor} -> {comparison.student}"


def shifts(study: Study) -> dict[str, tuple[str, str]]:
    """Return what was trained on and what was tested on, by the name of every task that was tested elsewhere."""
    found: dict[str, tuple[str, str]] = {}
    for block in study.comparisons:
        trained = f"{block.task}, {block.label}" if block.label else block.task
        found |= {f"{trained} on {tested}": (trained, tested) for tested in block.test_on}
    return found


def shift_told(trained: str, tested: str) -> str:
    """Return in words what a task is that was tested elsewhere."""
    return (
        f"trained on {trained}, tested on rows of {tested}: weak, student, ceiling and zero-shot are all measured there"
    )


def task_notes(results: Results, task: str) -> list[str]:
    """Return the sentences that a reader of a task's figures needs: a shift, what form alone tells, rows left out."""
    rows = [each for each in results.comparisons if each.task == task]
    outputs = results.outputs(next(cell for cell in results.cells if cell.task == task).source)
    known = shifts(results.plan.study)
    notes = [_sentence(shift_told(*known[task]))] if task in known else []
    shortcut = outputs.get("shortcut")
    if shortcut is not None and isfinite(shortcut):
        told = f"A classifier on lengths and punctuation alone is right in {percent(shortcut)}%"
        beaten = dict.fromkeys(each.supervisor for each in rows if each.summary.weak.mean <= shortcut)
        notes.append(told + (f", no less than {', '.join(beaten)}." if beaten else "."))
    notes += _rules(results, task)
    notes += _language(results, task)
    notes += [f"{plural(number, 'row')} left out: {reason}." for reason, number in outputs.get("skipped", {}).items()]
    return notes


def _rules(results: Results, task: str) -> Iterator[str]:
    """Yield how well a rule that reads nothing does where options are texts, and how often models choose as it does."""
    if results.plan.tasks[task].head != "reward":  # only options that are texts have such rules
        return
    tests: dict[str, list[dict[str, float]]] = {}
    for cell in results.cells:
        if cell.task == task:
            found = results.cell(cell.task, cell.supervisor, cell.student, cell.method, cell.seed)
            for role in CHOOSERS.keys() & found.keys():
                tests.setdefault(role, []).append(found[role]["test"])
    for control, (chosen, what) in RULES.items():
        told = [
            f"{percent(fmean(test[chosen] for test in tests[role]))}% of the answers of {who}"
            for role, who in CHOOSERS.items()
            if role in tests and all(chosen in test for test in tests[role])
        ]
        if told:
            right = percent(tests["weak"][0][control])
            yield f"Always choosing {what} is right in {right}%; so are chosen {', '.join(told)}."


def _language(results: Results, task: str) -> Iterator[str]:
    """Yield how finetuning on texts as language went, student by student: how fast, and from which loss to which."""
    courses: dict[tuple[str, float], dict[str, list[float]]] = {}
    for cell in results.cells:
        features = cell.result.inputs.get("features")
        made = cell.result.inputs.get("generative") or (features.inputs.get("generative") if features else None)
        if cell.task == task and made is not None:
            courses.setdefault((cell.student, made.spec["lr"]), {})[made.key] = results.outputs(made)["loss"]
    for (student, lr), of_seeds in courses.items():
        parts = [max(1, len(course) // 5) for course in of_seeds.values()]
        first = fmean(fmean(course[:part]) for part, course in zip(parts, of_seeds.values(), strict=True))
        last = fmean(fmean(course[-part:]) for part, course in zip(parts, of_seeds.values(), strict=True))
        yield (
            f"{student} was first finetuned on its texts as language, at a learning rate of {lr:g}: loss "
            f"{first:.3f} nats a token in the first fifth, {last:.3f} in the last."
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _shifts(results: Results) -> Iterator[str]:
    known = shifts(results.plan.study)
    for task in dict.fromkeys(each.task for each in results.comparisons):
        if task in known:
            yield f"{task}: {shift_told(*known[task])}."


def _share(comparison: Comparison) -> str:
    net = comparison.summary.net_pgr
    if net is None or net.pgr is None or not net.bounded:
        return ""
    if net.pgr > 1:
        return ", beyond the ceiling"
    return f", {percent(net.pgr)}% of the way to the ceiling"


def _tally(pairs: Sequence[Comparison]) -> str:
    """Return in how many pairs a method gains, does not, or loses, and the medians of its ratios."""
    counts = Counter(verdict(each.summary.gain) for each in pairs)
    total = plural(len(pairs), "pair")
    parts = [f"gain in {counts['gain']} of {total}" if counts["gain"] else f"no gain in any of {total}"]
    if counts["gain"] and counts["no gain"]:
        parts.append(f"none in {counts['no gain']}")
    if counts["loss"]:
        parts.append(f"a loss in {counts['loss']}")
    pgr = _median("PGR", [each.summary.pgr for each in pairs])
    net_pgr = _median("net PGR", [each.summary.net_pgr for each in pairs])
    return f"{', '.join(parts)}. {pgr[0].upper()}{pgr[1:]}, {net_pgr}."


def _median(name: str, ratios: Sequence[PgrInterval | None]) -> str:
    values = [each.pgr for each in ratios if each is not None and each.pgr is not None]
    unbounded = sum(each is not None and each.pgr is not None and not each.bounded for each in ratios)
    notes = [f"{unbounded} unbounded"] if unbounded else []
    if not values:
        return f"{name} none"
    notes += [f"none in {len(ratios) - len(values)}"] if len(values) < len(ratios) else []
    return f"median {name} {percent(median(values))}%" + (f" ({', '.join(notes)})" if notes else "")


def contrasts(results: Results) -> Iterator[str]:
    """Yield how each method compares, row by row, with the one it has to beat.

    Where it makes supervisor or ceiling in another way too, how those compare stands behind it.
    """
    for each, rival, relation, difference in _differences(results):
        told = f"{each.method} {AGAINST[verdict(difference)]} {relation}"
        around = [f"; its {name} {_points(found)}" for name, found in _around(results, each, rival)]
        yield f"{place(each)}: {told}: {_points(difference)}{''.join(around)}."


def contrasts_by_method(results: Results) -> Iterator[str]:
    """Yield in how many pairs each method beats the one it has to beat, and by how much on average."""
    differences: dict[tuple[str, str, str], list[Estimate]] = {}
    around: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for each, rival, relation, difference in _differences(results):
        key = (each.method, rival.method, relation)
        differences.setdefault(key, []).append(difference)
        for name, found in _around(results, each, rival):
            around.setdefault(key, {}).setdefault(name, []).append(found.mean)
    for key, of_students in differences.items():
        method, rival_name, relation = key
        counts = Counter(map(verdict, of_students))
        named = f"{relation}, {rival_name}" if relation != rival_name else rival_name
        others = [f", its {name} {signed(fmean(means))}" for name, means in around.get(key, {}).items()]
        yield (
            f"{method} against {named}: beats it in {counts['gain']} of {plural(len(of_students), 'pair')}, cannot be "
            f"told from it in {counts['no gain']}, falls behind in {counts['loss']}; "
            f"{signed(fmean(each.mean for each in of_students))} points on average{''.join(others)} (no interval)."
        )


def _points(difference: Estimate) -> str:
    return f"{signed(difference.mean)} points {span(difference.low, difference.high)}"


def _differences(results: Results) -> Iterator[tuple[Comparison, Comparison, str, Estimate]]:
    """Yield each comparison whose rival is finished: the rival, what it is to it, student minus rival's."""
    known = {(each.task, each.supervisor, each.student, each.method): each for each in results.comparisons}
    for each in results.comparisons:
        name, relation = _rival(results.plan.methods[each.method])
        rival = known.get((each.task, each.supervisor, each.student, name))
        difference = results.difference(each, rival) if rival else None
        if rival is not None and difference is not None:
            yield each, rival, relation, difference


def _around(results: Results, each: Comparison, rival: Comparison) -> Iterator[tuple[str, Estimate]]:
    """Yield how supervisor and ceiling differ from the rival's, where they are others."""
    roles: tuple[tuple[Role, str], ...] = (("weak", "supervisor"), ("ceiling", "ceiling"))
    for role, name in roles:
        found = results.difference(each, rival, of=role)
        if found is not None and (found.mean or found.variance):
            yield name, found


def _rival(method: Method) -> tuple[str, str]:
    """Return the method that this one has to beat, and what that is to it: nothing for the plain one."""
    if method.control:
        return method.control, "its compute control" if method.chain else "its control"
    if method.name == "naive":
        return "", ""
    plain = "naive-hard" if method.labels == "hard" and method.name != "naive-hard" else "naive"
    return plain, plain


def _common_warnings(comparisons: Sequence[Comparison]) -> list[str]:
    if len(comparisons) == 1:
        return []
    return [warning for warning in comparisons[0].warnings if all(warning in each.warnings for each in comparisons)]


def _together(results: Results) -> Iterator[str]:
    comparisons = results.comparisons
    if len(comparisons) == 1:
        return
    figures = results.aggregates()
    ratio, middle, left_out = (
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
    median_told = "undefined" if middle is None else f"{percent(middle)}%"
    yield f"All {len(comparisons)} together: median PGR {median_told}, ratio of mean gains {ratio_told} ({told})."
