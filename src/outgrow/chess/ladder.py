"""The ladder's recipe as a graph of steps: self-play, sequences, pretraining in chunks, export. No torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from outgrow.chess.mining_plan import chess_task_steps
from outgrow.dag.step import Step
from outgrow.versions import step

SIZES = {"25k": (32, 2, 2), "0.1M": (64, 2, 2), "0.34M": (96, 3, 3), "1.3M": (192, 3, 6), "4M": (256, 5, 8)}
"""The ladder: name -> (width, layers, attention heads)."""
GAMES_A_STEP = 500
CHUNK_STEPS = 4_000
"""Optimizer steps a chunk: at most a few minutes of work are lost to a kill."""


@dataclass(frozen=True)
class LadderPlan:
    """What `outgrow ladder chess` makes. The defaults are the shipped ladder."""

    games: int = 52_000
    positions: int = 8_192_000
    batch: int = 128
    muon_lr: float = 0.003
    adamw_lr: float = 0.004
    seed: int = 0


def game_steps(plan: LadderPlan) -> list[Step]:
    """Return the self-play steps."""
    return [
        step(
            "selfplay",
            {"first": first, "count": min(GAMES_A_STEP, plan.games - first), "seed": plan.seed},
            title=f"self-play, games from {first}",
        )
        for first in range(0, plan.games, GAMES_A_STEP)
    ]


def corpus_step(plan: LadderPlan) -> Step:
    """Return the step that holds all pretraining sequences."""
    parts = [step("positions", {}, {"games": games}, title=f"positions of {games.title}") for games in game_steps(plan)]
    return step("corpus", {}, {f"part_{i:04}": part for i, part in enumerate(parts)}, title="pretraining corpus")


def pretraining_steps(plan: LadderPlan, size: str) -> list[Step]:
    """Return the chain of chunks that pretrains one size, first to last."""
    recipe = {key: value for key, value in asdict(plan).items() if key != "games"} | {"size": size}
    corpus, chain = corpus_step(plan), list[Step]()
    for first in range(0, plan.positions // plan.batch, CHUNK_STEPS):
        inputs = {"corpus": corpus} | ({"previous": chain[-1]} if chain else {})
        spec = {"recipe": recipe, "first": first, "chunk": CHUNK_STEPS}
        chain.append(step("pretrain", spec, inputs, title=f"pretrain {size} from step {first}"))
    return chain


def export_steps(plan: LadderPlan, sizes: Sequence[str]) -> dict[str, Step]:
    """Return the step that leaves each size's checkpoint, by size."""
    exports = {}
    for size in sizes:
        chunks = pretraining_steps(plan, size)
        inputs = {"corpus": corpus_step(plan)} | {f"chunk_{i:04}": chunk for i, chunk in enumerate(chunks)}
        exports[size] = step("export", {"recipe": chunks[-1].spec["recipe"]}, inputs, title=f"export {size}")
    return exports


def task_steps(plan: LadderPlan) -> dict[str, Step]:
    """Return the step that leaves each shipped task, by the name of its file."""
    return {f"{name}.parquet": task for name, task in chess_task_steps(game_steps(plan)).items()}
