"""The command line: asks, shows, and turns every error into one message and an exit code.

It computes nothing itself. Heavy imports stand inside the functions that need them: `outgrow --help` must be quick,
and what reads finished records must not import torch.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""The exit codes."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Carry out a command line and exit with its code."""
    sys.exit(call(sys.argv[1:] if arguments is None else arguments))


def call(arguments: Sequence[str]) -> int:
    """Carry out a command line and return its exit code."""
    try:
        from outgrow.cli.app import command

        result = command().main(args=list(arguments), prog_name="outgrow", standalone_mode=False)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read the output (`outgrow run | head`) has gone; Python's own flush at exit would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # the command line's library has its own name for it
            return _interrupted()
        if "--debug" in arguments:
            traceback.print_exc()
        return _tell(error)
    return result if isinstance(result, int) else DONE


def _interrupted() -> int:
    print("Interrupted. What is finished is kept; the same command goes on from there.", file=sys.stderr)
    return INTERRUPTED


def _tell(error: Exception) -> int:
    """Print what went wrong on stderr and return the exit code."""
    import typer

    from outgrow.dag.store import DamagedArtefactError, RecordFormatError
    from outgrow.errors import StepError, UsageError

    # Which click typer stands on differs between its versions; this class is its base of usage errors in each.
    wrong_arguments = typer.BadParameter.__mro__[2]
    if isinstance(error, wrong_arguments):
        text, code = f"{_arguments_told(error)} See outgrow --help.", USAGE
    elif isinstance(error, UsageError):
        text, code = str(error), USAGE
    elif isinstance(error, (StepError, RecordFormatError)):
        text, code = str(error), FAILED
    elif isinstance(error, DamagedArtefactError):
        text, code = f"{error}: outgrow run builds it anew", FAILED
    elif isinstance(error, OSError):
        text, code = _operating_system(error), FAILED
    else:
        text = f"{type(error).__name__}: {error}\nThis is a bug: run it with --debug for the traceback, and report it."
        code = FAILED
    complain(text)
    return code


def _arguments_told(error: Exception) -> str:
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return text if text.endswith((".", "?")) else f"{text}."


def complain(text: str) -> None:
    """Print an error in the one form all errors have."""
    mark = "error:"
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        mark = f"\033[1;31m{mark}\033[0m"
    print(mark, text, file=sys.stderr)


def _operating_system(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
