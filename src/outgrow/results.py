"""Records -> comparisons with PGR and intervals. Reads records only: no torch, no tables, no model.

Legend: S seeds, N test rows.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from outgrow.cautions import cautions
from outgrow.dag.step import Step
from outgrow.dag.store import Artefact, Store
from outgrow.errors import StepError
from outgrow.metrics import (
    Agreement,
    Estimate,
    MedianPgr,
    Summary,
    agreement,
    contrast_interval,
    median_pgr,
    ratio_of_mean_gains,
    summarize,
)
from outgrow.plan import Cell, Plan

Role = Literal["weak", "student", "ceiling"]
"""Whose accuracy: the supervisor's, the student's or the ceiling's."""


@dataclass(frozen=True)
class Comparison:
    """Cells that differ in seed only: a row of every table. All figures of a `Summary` stand side by side.

    `agreement` is with the supervisor's predictions on test, all seeds pooled; `diagnostics` are the student's means
    over seeds (calibration error, illegal mass, ...); `natural` those of weak, student, ceiling and zero-shot on
    the natural mix of test rows, where the task has one; `seconds` is the compute of the student's own training.
    """

    task: str
    supervisor: str
    student: str
    method: str
    seeds: tuple[int, ...]
    missing_seeds: tuple[int, ...]
    summary: Summary
    agreement: Agreement
    diagnostics: dict[str, float]
    natural: dict[str, float]
    seconds: float
    warnings: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Results:
    """The comparisons of a study, as far as its cells are finished."""

    plan: Plan
    store: Store

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Return every comparison that has at least one finished seed, task by task in the study's order."""
        grouped: dict[tuple[str, str, str, str], list[Cell]] = {}
        for cell in self.plan.cells:
            grouped.setdefault((cell.task, cell.supervisor, cell.student, cell.method), []).append(cell)
        tasks = list(dict.fromkeys(task for task, *_ in grouped))
        found = (self._comparison(grouped[name]) for name in sorted(grouped, key=lambda name: tasks.index(name[0])))
        return [each for each in found if each is not None]

    @cached_property
    def cells(self) -> list[Cell]:
        """Return every finished cell, in the study's order: one (task, supervisor, student, method, seed) each."""
        return [cell for cell in self.plan.cells if self._read(cell) is not None]

    def predictions(self, cell: Cell) -> dict[str, list[Any]]:
        """Return what weak, student, ceiling and zero-shot say to each test row of a cell, as columns of one length.

        Columns: `id`, `text`, `truth`, and for each of the four that the cell has its answer (`student`) and what it
        gives to options (`student_probabilities`: option -> probability, at most 32, the most probable first; what is
        missing to 1 lies evenly on the others). StepError where the cell is not finished. Imports no torch, no pandas.
        """
        from outgrow.predictions import columns

        found = self._read(cell)
        if found is None:
            where = f"{cell.task}, {cell.supervisor} -> {cell.student}, {cell.method}, seed {cell.seed}"
            raise StepError(f"the cell {where} is not finished: outgrow run does what is missing")
        return columns(self.plan.tasks[cell.task], found)

    def table(self) -> list[dict[str, Any]]:
        """Return the comparisons as flat rows: fractions for accuracies, None where a figure does not exist."""
        return [_row(each) for each in self.comparisons]

    def plot_scaling(self, task: str | None = None) -> Any:
        """Return accuracy against student size of a task (None: the study's first) as a plotly figure.

        UsageError where nothing is finished, or for a task that the study has not.
        """
        from outgrow.report.export import scaling_figure

        return scaling_figure(self, task)

    def aggregates(self) -> dict[str, Any]:
        """Return PGR over all comparisons: the ratio of mean gains, and the paper's median with what it left out."""
        summaries = [each.summary for each in self.comparisons]
        median: MedianPgr = median_pgr([each.pgr.pgr for each in summaries])
        ratio = ratio_of_mean_gains(
            weaks=[each.weak.mean for each in summaries],
            students=[each.student.mean for each in summaries],
            ceilings=[each.ceiling.mean for each in summaries],
        )
        return {"ratio_of_mean_gains": ratio, **{f"median_pgr_{k}": v for k, v in median._asdict().items()}}

    def difference(self, first: Comparison, second: Comparison, *, of: Role = "student") -> Estimate | None:
        """Return the accuracy of the first's student (or `of` another role) minus the second's, paired by row and seed.

        Both are of one task and one set of rows; None where they have no finished seed in common. Of a role that both
        share it is 0 [0, 0].
        """
        seeds = [seed for seed in first.seeds if seed in second.seeds]
        if not seeds:
            return None
        pairs = [[self._cell_tests(each, seed, of) for seed in seeds] for each in (first, second)]
        values_SN = np.stack([_correct(test).astype(float) for test, _ in pairs[0]])
        values_SN -= np.stack([_correct(test) for test, _ in pairs[1]])
        return contrast_interval(values_SN, np.array(pairs[0][0][1]))

    def _cell_tests(self, comparison: Comparison, seed: int, of: Role) -> tuple[dict[str, Any], list[int]]:
        outputs = self.cell(comparison.task, comparison.supervisor, comparison.student, comparison.method, seed)
        return outputs["result" if of == "student" else of]["test"], outputs["source"]["test_groups"]

    def _comparison(self, cells: list[Cell]) -> Comparison | None:
        read = [(cell, found) for cell in cells if (found := self._read(cell)) is not None]
        if not read:
            return None
        source = read[0][1]["source"].outputs
        truth_N = np.array(source["test_truth"])
        parts = {name: [found[name].outputs["test"] for _, found in read] for name in ("weak", "result", "ceiling")}
        correct = {name: np.stack([_correct(each) for each in tests]) for name, tests in parts.items()}
        zero_shot = read[0][1].get("zero_shot")
        summary = summarize(
            weak_SN=correct["weak"],
            student_SN=correct["result"],
            ceiling_SN=correct["ceiling"],
            zero_shot_N=_correct(zero_shot.outputs["test"]) if zero_shot else None,
            groups_N=np.array(source["test_groups"]),
        )
        first = cells[0]
        return Comparison(
            task=first.task,
            supervisor=first.supervisor,
            student=first.student,
            method=first.method,
            seeds=tuple(cell.seed for cell, _ in read),
            missing_seeds=tuple(cell.seed for cell in cells if cell.seed not in {done.seed for done, _ in read}),
            summary=summary,
            agreement=agreement(
                np.concatenate([each["predicted"] for each in parts["result"]]),
                np.concatenate([each["predicted"] for each in parts["weak"]]),
                truth_N=np.tile(truth_N, len(read)),
            ),
            diagnostics=_means(parts["result"]),
            natural=_natural([found for _, found in read]),
            seconds=sum(found["result"].record["provenance"]["seconds"] for _, found in read),
            warnings=cautions([found for _, found in read], summary, self.plan.methods[first.method]),
        )

    def _read(self, cell: Cell) -> dict[str, Artefact] | None:
        named: dict[str, Step | None] = {
            "source": cell.source,
            "weak": cell.weak,
            "result": cell.result,
            "ceiling": cell.ceiling,
            "zero_shot": cell.zero_shot,
        }
        found = {name: self._get(step.key) for name, step in named.items() if step is not None}
        return None if None in found.values() else {name: each for name, each in found.items() if each is not None}

    def of_seed(self, seed: int) -> "Results":
        """Return the results of one seed alone; records that were read are not read again."""
        cells = tuple(cell for cell in self.plan.cells if cell.seed == seed)
        part = Results(replace(self.plan, cells=cells), self.store)
        part._records.update(self._records)
        return part

    def outputs(self, step: Step) -> dict[str, Any]:
        """Return what the record of a finished step holds; StepError where it is not finished."""
        found = self._get(step.key)
        if found is None:
            raise StepError(f"{step.title} is not finished")
        return found.outputs

    def _get(self, key: str) -> Artefact | None:
        if key not in self._records:
            self._records[key] = self.store.get(key)
        return self._records[key]

    @cached_property
    def _records(self) -> dict[str, Artefact | None]:
        return {}

    def cell(self, task: str, supervisor: str, student: str, method: str, seed: int) -> dict[str, Any]:
        """Return the records' outputs of one cell, by role; StepError where it is not finished."""
        wanted = (task, supervisor, student, method, seed)
        for cell in self.plan.cells:
            if (cell.task, cell.supervisor, cell.student, cell.method, cell.seed) == wanted:
                found = self._read(cell)
                if found is None:
                    raise StepError(f"the cell {wanted} is not finished")
                return {name: artefact.outputs for name, artefact in found.items()}
        raise StepError(f"the study has no cell {wanted}")


def _correct(test: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(test["correct"].encode(), np.uint8) - ord("0")


def _means(tests: Iterable[dict[str, Any]]) -> dict[str, float]:
    rows = list(tests)
    left_out = ("accuracy", "natural_accuracy")
    names = [name for name, value in rows[0].items() if isinstance(value, float) and name not in left_out]
    names = [name for name in names if all(name in row for row in rows)]
    return {name: float(np.mean([row[name] for row in rows])) for name in names}


def _natural(read: list[dict[str, Artefact]]) -> dict[str, float]:
    """Return the mean over seeds of the second figure, by role: of those that have one in every seed."""
    found = {}
    for role, name in (("weak", "weak"), ("result", "student"), ("ceiling", "ceiling"), ("zero_shot", "zero_shot")):
        tests = [each[role].outputs["test"] for each in read if role in each]
        if tests and all("natural_accuracy" in test for test in tests):
            found[name] = float(np.mean([test["natural_accuracy"] for test in tests]))
    return found


def _row(each: Comparison) -> dict[str, Any]:
    summary = each.summary
    accuracies = {"weak": summary.weak, "student_accuracy": summary.student, "ceiling": summary.ceiling}
    row: dict[str, Any] = {
        "task": each.task,
        "supervisor": each.supervisor,
        "student": each.student,
        "method": each.method,
        "seeds": len(each.seeds),
    }
    for name, estimate in (*accuracies.items(), ("gain", summary.gain)):
        row |= {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    row["zero_shot"] = summary.zero_shot.mean if summary.zero_shot else None
    row["floor"] = summary.floor_name
    for name, interval in (("pgr", summary.pgr), ("net_pgr", summary.net_pgr)):
        row |= {
            name: interval.pgr if interval else None,
            f"{name}_low": interval.low if interval else None,
            f"{name}_high": interval.high if interval else None,
            f"{name}_bounded": interval.bounded if interval else None,
        }
    row |= {
        "agreement": each.agreement.overall,
        "agreement_where_right": each.agreement.where_right,
        "agreement_where_wrong": each.agreement.where_wrong,
    }
    row |= {f"natural_{name}": value for name, value in each.natural.items()}
    return row | each.diagnostics | {"seconds": each.seconds, "warnings": list(each.warnings)}
