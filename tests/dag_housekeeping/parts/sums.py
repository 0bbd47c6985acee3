"""Steps that add up numbers, and the graph of them that the tests of housekeeping use."""

from outgrow.dag.scheduler import run_graph
from outgrow.dag.step import Step
from outgrow.dag.work import Runtime

started = []
"""The keys of all steps begun, in order."""


def total(context):
    """The spec's number and those of all inputs' files."""
    started.append(context.folder.name)
    numbers = [int(each.path("value.txt").read_text()) for each in context.inputs.values()]
    value = context.spec["number"] + sum(numbers)
    (context.folder / "value.txt").write_text(str(value))
    return {"value": value}


def fails(context):
    """Fail."""
    raise ValueError("it never works")


def leaves_half(context):
    """Write half of a file, then end as the spec says."""
    (context.folder / "half.bin").write_bytes(b"half")
    how = {"memory": MemoryError("4 GB"), "exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "full": full_disk()}
    raise how[context.spec["how"]]


def full_disk():
    return OSError(28, "No space left on device")


def writes_the_record(context):
    """Write a file that only the store may write."""
    (context.folder / "record.json").write_text("{}")


def step(name, number, *inputs, function="total"):
    return Step(f"sums:{function}", 1, {"number": number}, {each.title: each for each in inputs}, title=name)


def graph():
    """Return six steps, inputs first: two numbers, their sum, two sums above it, the sum of those."""
    one, two = step("one", 1), step("two", 2)
    both = step("both", 0, one, two)
    left, right = step("left", 10, both), step("right", 20, both, two)
    return [one, two, both, left, right, step("top", 100, left, right)]


VALUES = {"one": 1, "two": 2, "both": 3, "left": 13, "right": 25, "top": 138}


def build(store, *targets):
    return run_graph(targets, store=store, runtime=Runtime())
