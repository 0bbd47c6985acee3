"""Finds what can be run in the pages that people follow: shell and Python blocks, files they are told to write.

A page says things to this in comments that no reader sees, each right before a block:
`<!-- file: NAME -->` the block is written to this file; `<!-- not run: WHY -->` it is only shown.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs/tutorial.md",
    *sorted((ROOT / "docs/howto").glob("*.md")),
]
RUN = {"sh": "shell", "python": "python"}
BLOCK = re.compile(
    r"^(?:<!-- (?P<order>file|not run): (?P<told>[^\n]+?) -->\n+)?"
    r"(?P<fence>```+)(?P<language>[\w-]*)\n(?P<body>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of a page: `kind` is shell, python, file or none (only shown)."""

    page: Path
    line: int
    kind: str
    body: str
    name: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("fence")) + 1
        kind = {"file": "file", "not run": "none"}.get(match["order"] or "", RUN.get(match["language"], "none"))
        found.append(Block(page, line, kind, match["body"], match["told"] or ""))
    return found
