"""Study -> graph of steps: names, specs, keys. Computes nothing and imports no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from outgrow.dag.step import Step, closure
from outgrow.dag.store import file_sha256
from outgrow.errors import UsageError
from outgrow.methods import METHODS, Method, check_method, find_method
from outgrow.models.catalog import Model, find_model
from outgrow.spec import Comparison, LabelFile, Rows, Study, Training
from outgrow.tasks import Task, find_task
from outgrow.versions import step

LEARNING_RATES = (1.25e-4, 2.5e-4, 5e-4, 1e-3, 2e-3)
"""The grid of a `tune` step."""


@dataclass(frozen=True)
class Cell:
    """One (task, supervisor, student, method, seed), and the steps whose records it is read from."""

    task: str
    supervisor: str
    student: str
    method: str
    seed: int
    source: Step
    weak: Step
    result: Step
    ceiling: Step
    zero_shot: Step | None

    @property
    def steps(self) -> list[Step]:
        """Return the steps that must be done before the cell can be read."""
        found = [self.source, self.weak, self.result, self.ceiling, self.zero_shot]
        return [each for each in found if each is not None]


@dataclass(frozen=True)
class Plan:
    """A study's cells, and what was left out of the grid and why."""

    study: Study
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]

    @property
    def targets(self) -> list[Step]:
        """Return the steps to run; the longest chains come first."""
        found = {each.key: each for cell in self.cells for each in cell.steps}
        depth: dict[str, int] = {}
        for key, each in closure(found.values()).items():  # inputs come first
            depth[key] = 1 + max((depth[other.key] for other in each.inputs.values()), default=0)
        return sorted(found.values(), key=lambda each: -depth[each.key])


def make_plan(study: Study) -> Plan:
    """Return the plan of a study; UsageError says which name, file or combination cannot be used."""
    cells: list[Cell] = []
    notes: list[str] = []
    for block in study.comparisons:
        for seed in study.seeds:
            found, left_out = _Block(study, block, seed).cells()
            cells += found
            notes += left_out
    if not cells:
        raise UsageError(f"the study {study.name} has no cell: " + "; ".join(dict.fromkeys(notes)))
    _refuse_twins(cells)
    return Plan(study, tuple(cells), tuple(dict.fromkeys(notes)))


def _refuse_twins(cells: Sequence[Cell]) -> None:
    seen = set()
    for cell in cells:
        name = (cell.task, cell.supervisor, cell.student, cell.method, cell.seed)
        if name in seen:
            raise UsageError(
                f"two comparisons give {cell.supervisor} -> {cell.student} by {cell.method} on {cell.task}: a table "
                "could not tell them apart; put them into two studies"
            )
        seen.add(name)


class _Block:
    """One comparison block at one seed: makes its steps."""

    def __init__(self, study: Study, block: Comparison, seed: int) -> None:
        self.study, self.block, self.seed = study, block, seed
        self.rows: Rows = block.rows or study.rows
        self.training: Training = block.training or study.training
        self.task: Task = find_task(block.task)
        self.methods = _with_controls([find_method(name) for name in block.methods])
        for method in self.methods:
            check_method(method, self.task)
        named = [name for name in (*block.supervisors, *block.students) if isinstance(name, str)]
        self.models = {name: find_model(name, self.task.models) for name in named}

    def cells(self) -> tuple[list[Cell], list[str]]:
        """Return the block's cells at this seed, and why others were left out."""
        cells, notes = [], []
        for supervisor, student in self._pairs():
            name = supervisor.name if isinstance(supervisor, LabelFile) else supervisor
            for method in self.methods:
                between = self._between(supervisor, student)
                if "models-between" in method.requires and not between:
                    notes.append(f"{method.name} left out for {name} -> {student}: the block names no size between")
                    continue
                cells.append(self._cell(name, supervisor, student, method, between))
        if not cells and not notes:
            notes.append(f"every student of {self.block.task} is smaller than its supervisor")
        return cells, notes

    def _pairs(self) -> Iterator[tuple[str | LabelFile, str]]:
        for supervisor in self.block.supervisors:
            for student in self.block.students:
                if isinstance(supervisor, LabelFile) or self._size(student) >= self._size(supervisor):
                    yield supervisor, student

    def _size(self, name: str) -> int:
        return self.models[name].parameters

    def _between(self, supervisor: str | LabelFile, student: str) -> list[str]:
        smallest = 0 if isinstance(supervisor, LabelFile) else self._size(supervisor)
        inner = [name for name in self.models if smallest < self._size(name) < self._size(student)]
        return sorted(inner, key=self._size)

    def _cell(self, name: str, supervisor: str | LabelFile, student: str, method: Method, between: list[str]) -> Cell:
        source = _Labeller(self, supervisor)
        return Cell(
            task=self.task.name,
            supervisor=name,
            student=student,
            method=method.name,
            seed=self.seed,
            source=self.source,
            weak=source.weak,
            result=self._student(source, student, method, between),
            ceiling=self.finetune(student, splits=["student"], role="ceiling"),
            zero_shot=self._zero_shot(student),
        )

    def _student(self, source: "_Labeller", student: str, method: Method, between: list[str]) -> Step:
        if method.chain:
            for i, name in enumerate(between, start=1):
                link = self._weak(source, name, [f"link_{i}"], method, role=f"link {i} of", keep=True)
                source = _Labeller(self, name, weak=link)
        splits = ["student"]
        if method.links:
            splits += [f"link_{i}" for i in range(1, len(between) + 1)]
        return self._weak(source, student, splits, method, role=method.name, keep=self.study.keep_students)

    def _weak(
        self, source: "_Labeller", name: str, splits: list[str], method: Method, *, role: str, keep: bool
    ) -> Step:
        validated = self.training.stop == "weak" and "student" in splits
        labels = source.labels([*splits, "student_validation"] if validated else splits)
        return self.finetune(name, splits=splits, method=method, labels=labels, role=role, keep=keep)

    def finetune(
        self,
        name: str,
        *,
        splits: list[str],
        role: str,
        method: Method = METHODS["naive"],
        labels: dict[str, Step] | None = None,
        keep: bool = False,
    ) -> Step:
        """Return the step that finetunes this model on these splits: with truth, or with the labels given."""
        model = self.models[name]
        validation = self._validation(splits[0], weak=labels is not None)
        spec = self._spec(model, [*splits, *([validation["split"]] if validation else [])]) | {
            "train": {"splits": splits, "labels": "weak" if labels else "truth", "hard": method.labels == "hard"},
            "validation": validation,
            "loss": method.loss,
            "loss_options": dict(method.loss_options),
            "evaluate": "test",
            "keep_weights": keep,
        }
        inputs = {"task": self.source} | (labels or {})
        if self.training.lr == "tune":
            inputs["tune"] = self._tune(model)
        else:
            spec["lr"] = model.default_lr(self.task.name) if self.training.lr == "default" else self.training.lr
        return self._model_step("finetune", model, spec, inputs, f"{role} {name}, {self.task.name}, seed {self.seed}")

    def _validation(self, split: str, *, weak: bool) -> dict[str, str] | None:
        if self.training.stop == "last" or split not in ("supervisor", "student"):
            return None
        return {
            "split": f"{split}_validation",
            "labels": "weak" if weak and self.training.stop == "weak" else "truth",
        }

    def _spec(self, model: Model, splits: Sequence[str]) -> dict[str, Any]:
        settings = self.training.plain()
        for name in ("lr", "stop", "tune_seeds"):  # said elsewhere in the graph
            del settings[name]
        if self.training.stop == "last":
            del settings["checks"]
        return {
            "task": self.task.name,
            "model": {"fingerprint": model.fingerprint},
            "splits": self.sizes(splits),
            "seed": self.seed,
            "training": settings,
        }

    def sizes(self, splits: Sequence[str]) -> dict[str, int]:
        """Return the sizes of the splits dealt out up to the last of these, so that what comes later changes no key."""
        links = [int(name.removeprefix("link_")) for name in splits if name.startswith("link_")]
        sizes = self.rows.split_sizes(max(links, default=0))
        last = max((list(sizes).index(name) for name in splits), default=-1)
        return dict(list(sizes.items())[: last + 1])

    def _tune(self, model: Model) -> Step:
        spec = self._spec(model, []) | {
            "train": {"splits": ["tune_fit"], "labels": "truth", "hard": False},
            "validation": None,
            "loss": "cross-entropy",
            "loss_options": {},
            "evaluate": "tune_score",
            "keep_weights": False,
        }
        runs = {}
        for lr, seed in product(LEARNING_RATES, range(self.training.tune_seeds)):
            title = f"tune {model.name} at {lr:g}, {self.task.name}"
            run = spec | {"lr": lr, "seed": seed}
            runs[f"run_{lr:g}_{seed}"] = self._model_step("finetune", model, run, {"task": self.source}, title)
        return step("tune", {}, runs, title=f"tune {model.name}, {self.task.name}")

    def _zero_shot(self, name: str) -> Step | None:
        if self.task.head == "class":  # its rows start at zero: there is nothing to read
            return None
        model = self.models[name]
        spec = {"task": self.task.name, "model": {"fingerprint": model.fingerprint}}
        title = f"zero-shot {name}, {self.task.name}"
        return self._model_step("zero_shot", model, spec, {"task": self.source}, title)

    def label(self, model: str, weak: Step, split: str) -> Step:
        """Return the step in which a finetuned model labels a split."""
        spec = {
            "task": self.task.name,
            "model": {"fingerprint": self.models[model].fingerprint},
            "splits": self.sizes([split]),
            "seed": self.seed,
            "split": split,
        }
        title = f"{model} labels {split}, {self.task.name}, seed {self.seed}"
        return self._model_step("label", self.models[model], spec, {"task": self.source, "model": weak}, title)

    def _model_step(self, kind: str, model: Model, spec: dict[str, Any], inputs: dict[str, Step], title: str) -> Step:
        return step(kind, spec, inputs, title=title, places={"model": str(model.folder)})

    @cached_property
    def source(self) -> Step:
        """Return the step that reads the task's rows."""
        path = self.task.source(self.block.data)
        spec = {
            "task": self.task.name,
            "sha256": file_sha256(path),
            "test": self.rows.test,
            "tune": self.rows.tune,
        }
        return step("task", spec, title=f"rows of {self.task.name}", places={"data": str(path)})

    def label_file(self, source: LabelFile) -> Step:
        """Return the step that reads weak labels from a file."""
        path = Path(source.path).expanduser()
        if not path.is_file():
            raise UsageError(f"the label file {path} of {source.name} does not exist")
        spec = {"task": self.task.name, "sha256": file_sha256(path)}
        title = f"labels of {source.name}, {self.task.name}"
        return step("label_file", spec, {"task": self.source}, title=title, places={"labels": str(path)})


class _Labeller:
    """Whoever labels rows: a finetuned model or a file."""

    def __init__(self, block: _Block, who: str | LabelFile, *, weak: Step | None = None) -> None:
        self._block, self._who = block, who
        if isinstance(who, LabelFile):
            self.weak = block.label_file(who)
        else:
            self.weak = weak or block.finetune(who, splits=["supervisor"], role="supervisor", keep=True)

    def labels(self, splits: list[str]) -> dict[str, Step]:
        """Return the steps whose labels cover these splits, by input name."""
        if isinstance(self._who, LabelFile):
            return {"labels": self.weak}
        return {f"labels_{split}": self._block.label(self._who, self.weak, split) for split in splits}


def _with_controls(methods: list[Method]) -> list[Method]:
    names = dict.fromkeys(name for method in methods for name in (method.name, method.control) if name)
    return [METHODS[name] for name in names]
