"""Step: a batch of self-play games, as a Parquet table."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.chess.engine import Engine
from outgrow.chess.selfplay import play_game
from outgrow.dag.work import Context


def selfplay(context: Context) -> dict[str, Any]:
    """Play `count` games from number `first` on with this seed and write games.parquet."""
    spec = context.spec
    games = []
    with Engine(hash_mb=1) as engine:
        for number in range(spec["first"], spec["first"] + spec["count"]):
            games.append(play_game(number, seed=spec["seed"], engine=engine))
            context.progress(len(games), spec["count"], "games")
        name = engine.name
    table = pa.table(
        {
            "game": pa.array([g.number for g in games], pa.int32()),
            "moves": [" ".join(g.moves) for g in games],
            "opening_plies": pa.array([g.opening_plies for g in games], pa.int8()),
            "skill": pa.array([list(g.skills) for g in games], pa.list_(pa.int8())),
            "nodes": pa.array([list(g.nodes) for g in games], pa.list_(pa.int32())),
        }
    )
    pq.write_table(table, context.folder / "games.parquet", compression="zstd")
    return {"engine": name, "games": len(games), "plies": sum(len(g.moves) for g in games)}
