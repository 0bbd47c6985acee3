"""Errors that are told to a person as one message. Everything else is a bug and keeps its traceback."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The input cannot be used as it is: the message names the thing and the remedy. Exit code 2."""


class StepError(Exception):
    """A step cannot be done with the data it got: the message names the thing and the remedy. Exit code 1."""


def unknown(what: str, name: str, known: Iterable[str], *, remedy: str = "") -> UsageError:
    """Return the error for a name that is not in a table, with the nearest ones that are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return UsageError(f"unknown {what} {name!r}: {hint}" + (f" {remedy}" if remedy else ""))
