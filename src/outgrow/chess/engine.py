"""Stockfish over UCI, as deterministic as it can be made: one thread, node limits, a cleared hash.

The protocol is spoken directly over a pipe: a search of 60 nodes takes a quarter of a millisecond, and a general
client would cost more than that. Stockfish's own Skill Level draws from a clock-seeded generator; `weakened_choice`
is the same rule with a generator of ours, so that games can be played again.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

MATE = 32_000
"""Centipawn value of being mated now; mate in n plies is worth MATE - n."""


class EngineMissingError(RuntimeError):
    """Stockfish is not installed."""


@dataclass(frozen=True)
class Line:
    """One line of a search: its first move (UCI), its value in centipawns for the side to move."""

    move: str
    score: int


class Engine:
    """One Stockfish process. Use as a context manager."""

    def __init__(self, *, hash_mb: int = 16) -> None:
        self._process = subprocess.Popen(
            [find_stockfish()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.name = ""
        for line in self._ask("uci", until="uciok"):
            if line.startswith("id name "):
                self.name = line.removeprefix("id name ").strip()
        self._say(f"setoption name Threads value 1\nsetoption name Hash value {hash_mb}")
        self._lines = 1
        self.new_game()

    def new_game(self) -> None:
        """Forget everything: the next search depends on its own position and limit only."""
        self._say("ucinewgame")
        self._ask("isready", until="readyok")

    def search(
        self,
        moves: Sequence[str] = (),
        *,
        nodes: int,
        fen: str | None = None,
        num_lines: int = 1,
        only: Sequence[str] = (),
    ) -> list[Line]:
        """Search the position after `moves` from `fen` (default: the start) and return its best lines, best first.

        `only` restricts the first move. An empty list means that there is no legal move.
        """
        if num_lines != self._lines:
            self._say(f"setoption name MultiPV value {num_lines}")
            self._lines = num_lines
        played = f" moves {' '.join(moves)}" if moves else ""
        self._say(f"position {'fen ' + fen if fen else 'startpos'}{played}")
        restricted = f" searchmoves {' '.join(only)}" if only else ""
        return _parse(self._ask(f"go nodes {nodes}{restricted}", until="bestmove"))

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def _ask(self, text: str, *, until: str) -> list[str]:
        self._say(text)
        assert self._process.stdout is not None
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            if line.startswith(until):
                return lines
        raise RuntimeError(f"Stockfish ended while it was asked {text!r}")

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()


def find_stockfish() -> str:
    """Return the path of the Stockfish program; EngineMissingError says how to install it."""
    found = shutil.which("stockfish") or "/usr/games/stockfish"
    if not Path(found).is_file():
        raise EngineMissingError("Stockfish is not installed: apt-get install stockfish (or brew install stockfish)")
    return found


def _parse(output: Sequence[str]) -> list[Line]:
    # The last report of each line counts; a search cut short reports fewer lines at its last depth.
    lines: dict[int, Line] = {}
    for text in output:
        words = text.split()
        if "multipv" not in words or "pv" not in words:
            continue
        kind, value = words[words.index("score") + 1 : words.index("score") + 3]
        score = int(value) if kind == "cp" else (MATE - abs(2 * int(value))) * (1 if int(value) > 0 else -1)
        lines[int(words[words.index("multipv") + 1])] = Line(words[words.index("pv") + 1], score)
    return [line for _, line in sorted(lines.items())]


def weakened_choice(lines: Sequence[Line], *, skill: int, rng: np.random.Generator) -> Line:
    """Choose among the lines as Stockfish's Skill Level (0 to 20) does: weaker means more noise.

    The rule of Stockfish 15 (`Skill::pick_best`): each line gets a push, part fixed by how far it lies behind the
    best, part random, both growing with the weakness; the best sum wins.
    """
    weakness = 120 - 2 * skill
    best = lines[0].score
    spread = min(best - lines[-1].score, 126)  # 126: the value of a pawn
    draws = rng.integers(weakness, size=len(lines))
    pushed = [
        line.score + (weakness * (best - line.score) + spread * int(n)) // 128
        for line, n in zip(lines, draws, strict=True)
    ]
    return max(zip(pushed, range(len(lines)), lines, strict=True))[2]
