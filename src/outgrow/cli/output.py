"""Where output goes and how numbers and tables look. Knows nothing of studies."""

import json
import math
import os
import re
import shutil
import sys
import textwrap
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 80
"""No line is wider, on any terminal: tables that were looked at, lines that can be read and pasted."""

GLUE = "\0"


def console(file: TextIO | None = None) -> Console:
    """Return a console on this stream (default: stdout); brackets in a text are text to it."""
    columns = shutil.get_terminal_size((WIDTH, 24)).columns
    return Console(file=file or sys.stdout, width=min(WIDTH, columns), markup=False, highlight=False, emoji=False)


def note(text: str) -> None:
    """Print a line for the person who waits, on stderr, so that stdout holds the result only."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout; a number that is not finite becomes null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def table(*headers: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table of the one look all tables have; the columns named in `right` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for i, header in enumerate(headers):
        # Names stay whole, so that they can be copied; what comes after them is folded.
        made.add_column(header, justify="right" if header in right else "left", overflow="fold", no_wrap=i == 0)
    return made


def bullet(text: str, *, width: int = WIDTH, mark: str = "- ") -> str:
    """Return the text wrapped as an item of a list."""
    indent = " " * len(mark)
    whole = re.sub(r"\[[^\]]*\]", lambda match: match[0].replace(" ", GLUE), text)  # an interval stays on one line
    wrapped = textwrap.wrap(
        whole, width, initial_indent=mark, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapped).replace(GLUE, " ")


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as a person would type it: relative where it lies below the current folder."""
    text = os.path.relpath(path)
    return os.fspath(path) if text.startswith("..") else f"./{text}" if text != "." else "."
