"""A shell that asks gets names, without anything heavy being imported first."""

import os
import subprocess
import sys

import pytest


def completed(*words):
    """Return what bash is offered for the last of these words."""
    asked = {"_OUTGROW_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    program = (
        "import sys; from outgrow.cli import call; code = call([]); sys.exit(3 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("outgrow", "st"), {"status", "studies", "store"}),
        (("outgrow", "run", "chess-q"), {"chess-quick"}),
        (("outgrow", "rows", "chess-tiny", "--task", "chess-bl"), {"chess-blunder"}),
        (("outgrow", "rows", "chess-tiny", "--split", "stud"), {"student"}),
        (("outgrow", "plan", "--st"), {"--store"}),
    ],
)
def test_names_are_completed(words, offered):
    assert offered <= set(completed(*words))
