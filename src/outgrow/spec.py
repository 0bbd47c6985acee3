"""What is computed, as frozen, validated data. Validation of input lives here, and only here.

A study (one YAML file) is validated into a `Study`; the other specs are what the steps of its plan are keyed by.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from outgrow.errors import UsageError, unknown

Count = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[int, Field(gt=0, strict=True)]
Precision = Literal["fp32"]


class Spec(BaseModel):
    """Base of all specs: frozen, closed (an unknown key is an error), numbers checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def plain(self) -> dict[str, Any]:
        """Return the spec as plain data, the form in which it is hashed."""
        return self.model_dump(mode="json")


class Rows(Spec):
    """How many rows each split gets. `test` and `tune` are fixed per task; the seed deals out the others."""

    supervisor: Positive = 1_000
    supervisor_validation: Count = 0
    student: Positive = 1_000
    student_validation: Count = 0
    link: Count = 0
    """Fresh rows for each model of a bootstrapping chain; 0 means as many as `student`."""
    test: Positive = 1_500
    tune: Count = 1_000

    def split_sizes(self, links: int) -> dict[str, int]:
        """Return the size of every split that a seed deals out, in the order in which it does."""
        named = ("supervisor", "supervisor_validation", "student", "student_validation")
        sizes = {name: getattr(self, name) for name in named if getattr(self, name)}
        return sizes | {f"link_{i}": self.link or self.student for i in range(1, links + 1)}


class Training(Spec):
    """How every model of a study is finetuned."""

    epochs: Positive = 3
    batch: Positive = 32
    lr: Annotated[float, Field(gt=0)] | Literal["default", "tune"] = "default"
    tune_seeds: Positive = 1
    """Runs that each learning rate of a `tune` step is averaged over."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    stop: Literal["last", "weak", "truth"] = "last"
    checks: Positive = 10
    precision: Precision = "fp32"


class LabelFile(Spec):
    """Weak labels from a file instead of a supervisor: JSONL or Parquet with `id` and `probabilities` or `label`."""

    name: str
    path: str


class Comparison(Spec):
    """A block of the grid: every supervisor with every student at least as large, every method, on one task."""

    task: str
    supervisors: tuple[str | LabelFile, ...] = Field(min_length=1)
    students: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    rows: Rows | None = None
    training: Training | None = None
    data: str | None = None
    """A local file of the task's rows, for tasks that are not shipped."""


class Study(Spec):
    """A grid of cells: one YAML file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = ""
    seeds: tuple[Count, ...] = Field(default=(0, 1, 2), min_length=1)
    rows: Rows = Rows()
    training: Training = Training()
    keep_students: bool = False
    comparisons: tuple[Comparison, ...] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("a seed is named twice")
        return seeds

    @model_validator(mode="after")
    def _validation_rows(self) -> "Study":
        for block in self.comparisons:
            rows, training = block.rows or self.rows, block.training or self.training
            if training.stop != "last" and not (rows.supervisor_validation and rows.student_validation):
                raise ValueError(
                    f"training.stop is {training.stop!r}: rows.supervisor_validation and rows.student_validation "
                    "must be above 0"
                )
        return self


BUILT_IN = Path(__file__).parent / "studies"


def built_in_studies() -> dict[str, Path]:
    """Return the studies that come with the package, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.yaml"))}


def load_study(source: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> Study:
    """Return the study of this name or YAML file, with `a.b=value` overrides; UsageError says what is wrong."""
    path = built_in_studies().get(str(source), Path(source))
    if not path.is_file():
        if path.suffix in (".yaml", ".yml"):
            raise UsageError(f"there is no study file {path}")
        raise unknown("study", str(source), built_in_studies(), remedy="Or name a .yaml file.")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _OneOfEachKey)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path} must be a mapping with the keys of a study, such as name and comparisons")
    for override in overrides:
        _override(data, override)
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{path.name}: {_readable(error)}") from None


class _OneOfEachKey(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; ConstructorError names the key and its place."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _override(data: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    *parents, last = name.split(".")
    if not equals or not last:
        raise UsageError(f"--set {override}: write it as a.b=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"--set {override}: the value is not YAML") from None
    at: Any = data
    for parent in parents:
        at = _child(at, parent, override)
    if isinstance(at, list):
        at[_index(at, last, override)] = value
    elif isinstance(at, dict):
        at[last] = value
    else:
        raise UsageError(f"--set {override}: {'.'.join(parents)} is not a mapping")


def _child(at: Any, name: str, override: str) -> Any:
    if isinstance(at, list):
        return at[_index(at, name, override)]
    if isinstance(at, dict):
        return at.setdefault(name, {})
    raise UsageError(f"--set {override}: {name} lies below something that is not a mapping")


def _index(at: list[Any], name: str, override: str) -> int:
    if not name.isdigit() or int(name) >= len(at):
        raise UsageError(f"--set {override}: {name!r} is not one of the places 0 to {len(at) - 1} of a list")
    return int(name)


def _readable(error: ValidationError) -> str:
    parts = []
    places = [each["loc"] for each in error.errors()]
    for each in error.errors():
        if any(place[: len(each["loc"])] == each["loc"] and len(place) > len(each["loc"]) for place in places):
            continue  # a tuple is "too short" where one of its items is wrong: the item says it all
        # Among the names of keys stand those of the types of a union, which tell a person nothing.
        where = ".".join(str(part) for part in each["loc"] if isinstance(part, int) or part in _KEYS)
        if each["type"] == "extra_forbidden":
            near = str(unknown("key", str(each["loc"][-1]), _fields_at(each["loc"])))
            parts.append(f"{where or 'study'}: {near}")
        else:
            parts.append(f"{where or 'study'}: {each['msg'].removeprefix('Value error, ')} (got {each['input']!r:.60})")
    return "; ".join(dict.fromkeys(parts))


_KEYS = {name for table in (Study, Comparison, Rows, Training, LabelFile) for name in table.model_fields}


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    tables: dict[str, type[Spec]] = {
        "rows": Rows,
        "training": Training,
        "comparisons": Comparison,
        "LabelFile": LabelFile,
    }
    for part in reversed(location[:-1]):
        if part in tables:
            return list(tables[str(part)].model_fields)
    return list(Study.model_fields)
