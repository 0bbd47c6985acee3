"""Study -> graph of steps: which cells there are and what each is read from. Computes nothing and imports no torch."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

from outgrow.dag.step import Step, closure
from outgrow.errors import UsageError, unknown
from outgrow.fitting import check_batch
from outgrow.hub import Lock
from outgrow.labellers import ByModel, Labeller, Pooled, supervisor
from outgrow.methods import METHODS, Method, check_method, find_method
from outgrow.spec import Comparison, LabelFile, Study
from outgrow.study_file import built_in_studies, load_study
from outgrow.task_steps import TaskSteps
from outgrow.tasks import Task


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
    tasks: dict[str, Task]
    """The task that a cell is tested on, by the name under which tables show it."""
    methods: dict[str, Method]
    """The methods of the study by name, a user's own among them."""
    sizes: dict[str, int]
    """Non-embedding parameters of every model that the study names; label files have none."""

    @property
    def targets(self) -> list[Step]:
        """Return the steps to run; the longest chains come first."""
        found = {each.key: each for cell in self.cells for each in cell.steps}
        depth: dict[str, int] = {}
        for key, each in closure(found.values()).items():  # inputs come first
            depth[key] = 1 + max((depth[other.key] for other in each.inputs.values()), default=0)
        return sorted(found.values(), key=lambda each: -depth[each.key])


def plan_of(source: Study | str | Path, overrides: Iterable[str] = ()) -> Plan:
    """Return the plan of a study, or of a study's name or YAML file with overrides.

    What comes from the hub is pinned in a lock file: NAME.lock.yaml beside the YAML file, else in the current folder.
    """
    return make_plan(*study_and_lock(source, overrides))


def study_and_lock(source: Study | str | Path, overrides: Iterable[str] = ()) -> tuple[Study, Lock]:
    """Return a study, and the lock file that pins what it takes from the hub."""
    study = source if isinstance(source, Study) else load_study(source, list(overrides))
    file = None if isinstance(source, Study) or str(source) in built_in_studies() else Path(source)
    return study, Lock(file.with_suffix(".lock.yaml") if file else Path(f"{study.name}.lock.yaml"))


def make_plan(study: Study, lock: Lock | None = None) -> Plan:
    """Return the plan of a study; UsageError says which name, file or combination cannot be used.

    `lock` holds the hub's revisions; without one they are resolved and forgotten.
    """
    lock = lock or Lock()
    cells: list[Cell] = []
    notes: list[str] = []
    tasks: dict[str, Task] = {}
    methods: dict[str, Method] = {}
    sizes: dict[str, int] = {}
    for block in study.comparisons:
        whole = _Block(study, block, lock)
        tasks |= whole.tested
        methods = _by_name([*methods.values(), *whole.methods])
        sizes |= {name: model.parameters for name, model in whole.steps.models.items()}
        for seed in study.seeds:
            found, left_out = whole.at(seed).cells()
            cells += found
            notes += left_out
    if not cells:
        raise UsageError(f"the study {study.name} has no cell: " + "; ".join(dict.fromkeys(notes)))
    _refuse_twins(cells)
    return Plan(study, tuple(cells), tuple(dict.fromkeys(notes)), tasks, methods, sizes)


@dataclass(frozen=True)
class TaskRows:
    """Where the rows of one task of a study come from, and how a seed deals them out.

    `labelled`: the splits that a label file in a supervisor's place has to cover.
    """

    task: Task
    source: Step
    sizes: dict[str, int]
    labelled: tuple[str, ...]


def plan_rows(study: Study, task: str | None = None, lock: Lock | None = None) -> TaskRows:
    """Return the rows of this task (None: the study's only one). Label files of the study need not exist yet.

    UsageError where the study has no such task, has several and none is named, or gives it rows in more than one way.
    """
    names = list(dict.fromkeys(block.task for block in study.comparisons))
    if task is None and len(names) > 1:
        raise UsageError(f"the study {study.name} has the tasks {', '.join(names)}: name one of them (--task)")
    if task is not None and task not in names:
        raise unknown("task of the study", task, names)
    named = [each for each in study.comparisons if each.task == (task or names[0])]
    blocks = [_Block(study, each, lock or Lock()) for each in named]
    first = blocks[0].steps
    if any((each.steps.rows, each.steps.source.key) != (first.rows, first.source.key) for each in blocks):
        raise UsageError(f"the study {study.name} gives {first.task.name} rows in several ways: take them apart")
    sizes = first.rows.split_sizes(max(each.links() for each in blocks))
    return TaskRows(first.task, first.source, sizes, ("test", *(name for name in sizes if "supervisor" not in name)))


def _refuse_twins(cells: Sequence[Cell]) -> None:
    seen = set()
    for cell in cells:
        name = (cell.task, cell.supervisor, cell.student, cell.method, cell.seed)
        if name in seen:
            raise UsageError(
                f"two comparisons give {cell.supervisor} -> {cell.student} by {cell.method} on {cell.task}: a table "
                "could not tell them apart; give one of them a label"
            )
        seen.add(name)


class _Block:
    """One comparison block at one seed, the study's first: its pairs of supervisor and student, and their cells."""

    def __init__(self, study: Study, block: Comparison, lock: Lock) -> None:
        self.study, self.block, seed = study, block, study.seeds[0]
        self.steps = TaskSteps(study, block, seed, lock)
        others = [block.model_copy(update={"task": name, "data": None, "test_on": ()}) for name in block.test_on]
        self._shown = f"{block.task}, {block.label}" if block.label else block.task
        self._others = {
            f"{self._shown} on {other.task}": TaskSteps(study, other, seed, lock, apart=self.steps.source)
            for other in others
        }
        self.tested = {self._shown: self.steps.task} | {name: other.task for name, other in self._others.items()}
        for other in self._others.values():
            _check_alike(self.steps.task, other.task)
        self.methods = _with_controls([find_method(name) for name in block.methods])
        for method in self.methods:
            check_method(method, self.steps.task, num_supervisors=len(block.supervisors))
            check_batch(self.steps.task, method, self.steps.training)
        self.notes: list[str] = []
        self._labellers: dict[tuple[str, bool], Labeller] = {}

    def at(self, seed: int) -> "_Block":
        """Return the block at another seed; what no seed changes is neither read nor checked again."""
        other = copy(self)
        other.steps = self.steps.at(seed)
        other._others = {name: steps.at(seed) for name, steps in self._others.items()}
        other.notes, other._labellers = [], {}
        return other

    def cells(self) -> tuple[list[Cell], list[str]]:
        """Return the block's cells at this seed, and why others were left out."""
        alone = [method for method in self.methods if not method.pool]
        together = [method for method in self.methods if method.pool]
        cells = [cell for pair in self._pairs() for cell in self._alone(*pair, alone)]
        cells += [cell for student in self.block.students for cell in self._together(student, together)]
        if not cells and not self.notes:
            self.notes.append(f"every student of {self.block.task} is smaller than its supervisor")
        return cells, self.notes

    @property
    def _kept(self) -> bool:
        """Whether students' weights are kept: who is tested on other tasks must still be there."""
        return self.study.keep_students or bool(self._others)

    def links(self) -> int:
        """Return how many models the longest chain of the block has between supervisor and student."""
        if not any("models-between" in method.requires for method in self.methods):
            return 0
        return max((len(self._between(*pair)) for pair in self._pairs()), default=0)

    def _pairs(self) -> Iterator[tuple[str | LabelFile, str]]:
        for who in self.block.supervisors:
            for student in self.block.students:
                if isinstance(who, LabelFile) or self._size(student) >= self._size(who):
                    yield who, student

    def _size(self, name: str) -> int:
        return self.steps.models[name].parameters

    def _alone(self, who: str | LabelFile, student: str, methods: Sequence[Method]) -> Iterator[Cell]:
        between = self._between(who, student)
        for method in methods:
            lacks = self._lacks(who, student, method, between)
            if lacks:
                self.notes.append(f"{method.name} left out for {_name(who)} -> {student}: {lacks}")
                continue
            yield from self._cells(_name(who), self._labeller(who, method), student, method, between)

    def _lacks(self, who: str | LabelFile, student: str, method: Method, between: Sequence[str]) -> str:
        """Return what this pair lacks for the method, in words; nothing where it lacks nothing."""
        if "models-between" in method.requires and not between:
            return "the block names no size between"
        writing = [student] if method.generative or method.tuning == "none" else []
        writing += [who] if method.generative == "all" and isinstance(who, str) else []
        if method.generative == "all" and isinstance(who, LabelFile):
            return "a file of labels reads no texts; generative is the method for the student alone"
        silent = [name for name in writing if self.steps.models[name].kind == "encoder"]
        return f"{silent[0]} is an encoder, not a language model" if silent else ""

    def _together(self, student: str, methods: Sequence[Method]) -> Iterator[Cell]:
        members = [who for who, other in self._pairs() if other == student]
        for method in methods:
            if len(members) < 2:
                self.notes.append(f"{method.name} left out for {student}: it has no two supervisors, none larger")
                continue
            labellers = tuple(self._labeller(who, method) for who in members)
            name = " + ".join(map(_name, members))
            yield from self._cells(name, Pooled(self.steps, method.pool, labellers), student, method, [])

    def _labeller(self, who: str | LabelFile, method: Method) -> Labeller:
        name = (_name(who), method.generative == "all")
        if name not in self._labellers:
            self._labellers[name] = supervisor(self.steps, who, generative=method.generative == "all")
        return self._labellers[name]

    def _between(self, who: str | LabelFile, student: str) -> list[str]:
        smallest = 0 if isinstance(who, LabelFile) else self._size(who)
        inner = [name for name in self.steps.models if smallest < self._size(name) < self._size(student)]
        return sorted(inner, key=self._size)

    def _cell(self, name: str, source: Labeller, student: str, method: Method, between: list[str]) -> Cell:
        steps, kept = self.steps, bool(self._others)
        return Cell(
            task=self._shown,
            supervisor=name,
            student=student,
            method=method.name,
            seed=steps.seed,
            source=steps.source,
            weak=source.weak,
            result=self._student(source, student, method, between),
            ceiling=steps.made(student, splits=["student"], role="ceiling", method=_ceiling(method), keep=kept),
            zero_shot=steps.zero_shot(student),
        )

    def _cells(self, name: str, source: Labeller, student: str, method: Method, between: list[str]) -> Iterator[Cell]:
        """Yield the cell, and what its models do on the test rows of other tasks."""
        cell = self._cell(name, source, student, method, between)
        yield cell
        for shown, other in self._others.items():
            weak = source.tested_on(other)
            if weak is None or cell.result.kind == "prompt":
                why = "a file has no labels for its rows" if weak is None else "only trained models are tested there"
                self.notes.append(f"{method.name} left out for {shown}: {why}")
                continue
            yield replace(
                cell,
                task=shown,
                source=other.source,
                weak=weak,
                result=other.label(student, cell.result, "test"),
                ceiling=other.label(student, cell.ceiling, "test"),
                zero_shot=other.zero_shot(student),
            )

    def _student(self, source: Labeller, student: str, method: Method, between: list[str]) -> Step:
        if method.chain:
            for i, name in enumerate(between, start=1):
                role = f"link {i} of {method.name}"
                source = ByModel(self.steps, name, self._weak(source, name, [f"link_{i}"], method, role, keep=True))
        splits = ["student"]
        if method.links:
            splits += [f"link_{i}" for i in range(1, len(between) + 1)]
        return self._weak(source, student, splits, method, method.name, keep=self._kept)

    def _weak(self, source: Labeller, name: str, splits: list[str], method: Method, role: str, *, keep: bool) -> Step:
        validated = (method.stop or self.steps.training.stop) == "weak" and "student" in splits
        labels = source.labels([*splits, "student_validation"] if validated else splits)
        return self.steps.made(name, splits=splits, method=method, labels=labels, role=role, keep=keep)


def _check_alike(trained: Task, tested: Task) -> None:
    """Raise UsageError unless a model trained on the one task can be tested on the other."""
    # Where options are texts, each is scored by itself: a head does not depend on how many a row has.
    alike = [
        (each.head, each.shared, each.models, each.num_options if each.head != "reward" else 0)
        for each in (trained, tested)
    ]
    if alike[0] != alike[1]:
        raise UsageError(
            f"test_on: what is trained on {trained.name} cannot be tested on {tested.name}: options or heads differ"
        )


def _name(who: str | LabelFile) -> str:
    return who.name if isinstance(who, LabelFile) else who


def _ceiling(method: Method) -> Method:
    """Return how a method's ceiling is made: tuned alike, by plain cross-entropy; prompts share the finetuned one."""
    tuning = "" if method.tuning == "none" else method.tuning
    return replace(METHODS["naive"], tuning=tuning, generative=method.generative)


def _with_controls(methods: list[Method]) -> list[Method]:
    known = METHODS | _by_name(methods)
    names = dict.fromkeys(name for method in methods for name in (method.name, method.control) if name)
    return [known[name] for name in names]


def _by_name(methods: Iterable[Method]) -> dict[str, Method]:
    """Return methods by name; UsageError where two that differ have one name, which no table could tell apart."""
    found: dict[str, Method] = {}
    for method in methods:
        if found.setdefault(method.name, method) != method:
            files = f"{found[method.name].module} and {method.module}"
            raise UsageError(f"{files} both call their method {method.name}: give one of them another name")
    return found
