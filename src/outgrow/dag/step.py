"""A step of work and its key. Knows nothing about how or where it runs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from outgrow.dag.canonical import digest


@dataclass(frozen=True, eq=False)
class Step:
    """One unit of work: a function by its dotted name, the spec it gets and the steps it reads.

    The key covers function, version, spec and the keys of the inputs: everything that changes numbers, and
    nothing that does not: `title` is for people, `places` says where files outside the store lie, whose content
    hashes stand in the spec.
    """

    function: str
    version: int
    spec: Mapping[str, Any]
    inputs: Mapping[str, "Step"] = field(default_factory=dict)
    title: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    key: str = field(init=False)
    """SHA-256 of the canonical JSON of `identity`."""

    def __post_init__(self) -> None:
        # Made at once: the inputs have theirs, so a chain of any depth needs no recursion.
        object.__setattr__(self, "key", digest(self.identity))

    @property
    def identity(self) -> dict[str, Any]:
        """What the key is made from, as plain data."""
        return {
            "function": self.function,
            "version": self.version,
            "spec": self.spec,
            "inputs": {name: step.key for name, step in self.inputs.items()},
        }

    @property
    def kind(self) -> str:
        """The bare name of the step function."""
        return self.function.rpartition(":")[2]


def closure(targets: Iterable[Step]) -> dict[str, Step]:
    """Return every step the targets need, by key, inputs before the steps that read them."""
    ordered: dict[str, Step] = {}
    for target in targets:
        for step in _inputs_first(target, ordered):
            ordered.setdefault(step.key, step)
    return ordered


def _inputs_first(target: Step, done: Mapping[str, Step]) -> Iterator[Step]:
    # An explicit stack: a chain of chunks may be deeper than the interpreter's recursion limit.
    stack: list[tuple[Step, bool]] = [(target, False)]
    seen: set[int] = set()
    while stack:
        step, expanded = stack.pop()
        if expanded:
            yield step
        elif id(step) not in seen:
            seen.add(id(step))
            stack.append((step, True))
            stack.extend((each, False) for each in reversed(list(step.inputs.values())))
