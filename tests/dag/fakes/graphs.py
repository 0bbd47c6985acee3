"""Small graphs of fake steps."""

from outgrow.dag.step import Step


def fake(function, name, inputs=(), *, calls, **spec):
    """Return a step of `fake_steps` whose inputs are named 0, 1, ..."""
    named = {str(i): each for i, each in enumerate(inputs)}
    places = {"calls": str(calls)}
    return Step(f"fake_steps:{function}", 1, {"name": name, **spec}, named, title=name, places=places)


def diamond(calls, *, last="add"):
    """one, two -> left, right -> top."""
    one, two = (fake("number", name, calls=calls, value=i + 1) for i, name in enumerate(("one", "two")))
    left, right = fake("add", "left", [one, two], calls=calls), fake("add", "right", [two, two], calls=calls)
    return [fake(last, "top", [left, right], calls=calls)]


def held_together(calls):
    """Twelve steps that all wait for the first, which waits for a second driver."""
    first = fake("held_until_asked_for", "first", calls=calls)
    middle = [fake("add", f"middle{i}", [first], calls=calls) for i in range(10)]
    return [fake("add", "last", middle, calls=calls)]


def _deadly(calls, *, from_a_worker):
    before = [fake("number", f"before{i}", calls=calls, value=i) for i in range(3)]
    deadly = fake("kills_the_driver", "deadly", before, calls=calls, from_a_worker=from_a_worker)
    return [fake("add", "after", [deadly, *before], calls=calls)]


def deadly_inline(calls):
    """Three steps, one that kills the driver at its first call, one after it."""
    return _deadly(calls, from_a_worker=False)


def deadly_in_a_worker(calls):
    """The same for a step done by a worker."""
    return _deadly(calls, from_a_worker=True)
