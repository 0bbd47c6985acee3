"""A study's YAML file becomes a `Study`: which file, overrides from the command line, errors that a person can read."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from outgrow.errors import UsageError, unknown
from outgrow.spec import Comparison, LabelFile, OwnTask, Rows, Spec, Study, Training

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
            told = LISTS.get(each["type"], each["msg"].removeprefix("Value error, "))
            given = "" if isinstance(each["input"], dict) else f" (got {each['input']!r:.60})"
            parts.append(f"{where or 'study'}: {told}{given}")
    return "; ".join(dict.fromkeys(parts))


LISTS = {"tuple_type": "write it as a list, in brackets"}
"""What an error of pydantic says in words of YAML."""
_KEYS = {name for table in (Study, Comparison, Rows, Training, LabelFile, OwnTask) for name in table.model_fields}


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    tables: dict[str, type[Spec]] = {
        "rows": Rows,
        "training": Training,
        "comparisons": Comparison,
        "LabelFile": LabelFile,
        "tasks": OwnTask,
    }
    for part in reversed(location[:-1]):
        if part in tables:
            return list(tables[str(part)].model_fields)
    return list(Study.model_fields)
