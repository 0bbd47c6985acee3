"""Step: the pretraining sequences of one batch of self-play games."""

from typing import Any

import pyarrow.parquet as pq
from safetensors.numpy import save_file

from outgrow.chess.sequences import as_arrays, game_sequences
from outgrow.dag.work import Context


def positions(context: Context) -> dict[str, Any]:
    """Replay the games of input `games` and write sequences.safetensors."""
    table = pq.read_table(context.inputs["games"].path("games.parquet"))
    rows = []
    for game in table.to_pylist():
        rows += game_sequences(game["moves"].split(), game=game["game"], skip=game["opening_plies"])
        context.progress(game["game"] + 1 - table["game"][0].as_py(), table.num_rows, "games")
    save_file(as_arrays(rows), context.folder / "sequences.safetensors")
    return {"sequences": len(rows)}
