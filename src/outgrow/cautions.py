"""Why a row of a table should be read with care: no gap, harm, cheating, unlike machines. Reads records only."""

from collections.abc import Iterator, Mapping, Sequence

from outgrow.dag.store import Artefact
from outgrow.methods import Method
from outgrow.metrics import Summary
from outgrow.numerals import percent

Cells = Sequence[Mapping[str, Artefact]]
"""The artefacts of every finished seed of a comparison, by role."""
MOST_CUT = 0.02
"""The share of test rows whose options may lose their beginning before it is said aloud."""
EDGES = {
    "lr_at_edge": "the best learning rate lies at the edge of its grid: a better one may lie beyond",
    "l2_at_edge": "the best penalty of the probe lies at the edge of its grid: a better one may lie beyond",
}


def cautions(cells: Cells, summary: Summary, method: Method) -> tuple[str, ...]:
    """Return them in words, the gravest first."""
    return (*_of_figures(summary), *_of_training(cells, method), *_of_machines(cells))


def _of_figures(summary: Summary) -> Iterator[str]:
    if summary.ceiling.mean <= summary.weak.mean:
        yield "the ceiling is not above the supervisor: there is no gap to recover"
    elif not summary.pgr.bounded:
        yield "the gap between supervisor and ceiling is within noise: PGR is unbounded"
    if summary.zero_shot is not None and summary.student.mean < summary.zero_shot.mean:
        harm = "weak supervision did harm" if summary.gain.high < 0 else "within noise"
        yield f"the student ends below its zero-shot accuracy ({harm})"
    if summary.gain.rows_only:
        yield "one seed only: the intervals cover the test rows, not training"


def _of_training(cells: Cells, method: Method) -> Iterator[str]:
    students = [cell["result"].outputs for cell in cells]
    yield from sorted({f"CHEATING: {what}" for each in students for what in each.get("cheating", [])})
    if method.generative == "student":
        yield "student and ceiling were first finetuned on the texts as language, the supervisor was not"
    yield from (words for name, words in EDGES.items() if any(each.get(name) for each in students))
    cut = max(each["test"].get("texts_cut", 0.0) for each in students)
    if cut and method.tuning == "none":
        yield f"{percent(cut)}% of the prompts lost their beginning, with what is asked: raise max_tokens"
    cut = max(each["test"].get("options_cut", 0.0) for each in students)
    if cut > MOST_CUT:
        yield f"{percent(cut)}% of test rows have an option longer than max_tokens: its beginning was not read"
    starts = {cell[role].outputs.get("head_start", "") for cell in cells for role in ("weak", "result", "ceiling")}
    if len(starts - {""}) > 1:
        yield f"heads started differently: {' and '.join(sorted(starts - {''}))}"


def _of_machines(cells: Cells) -> Iterator[str]:
    made = [each.record["provenance"] for cell in cells for each in cell.values()]
    with_torch = [each["packages"] for each in made if "torch" in each["packages"]]
    unlike = {
        "devices": {each["device"] for each in made},
        "library versions": {str(sorted(each.items())) for each in with_torch},
    }
    for what, kinds in unlike.items():
        if len(kinds) > 1:
            yield f"computed with different {what}: {'; '.join(sorted(kinds))}"
