"""The process between a worker and those that share its model: torch's launcher. It imports as little as it can."""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from outgrow.dag.backends import command, die_with


def launch(*, folder: str, parent: int, count: int, call: str) -> None:
    """Start so many processes that call this function on the folder; note in it how they ended if one failed."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=Path(folder).parent.name,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(Path(folder) / "logs")),
    )
    program, *arguments = command(call, folder=folder, parent=os.getpid())
    try:
        elastic_launch(config, program)(*arguments)
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        write_whole(Path(folder) / "ended.json", codes)
        sys.exit(1)


def write_whole(path: Path, data: Any) -> None:
    """Write JSON so that a reader finds all of it or none."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data), encoding="utf-8")
    part.replace(path)
