"""A step for several processes without a model: adds up their numbers, or fails as it is told to."""

import os
import signal
import sys
import time
from pathlib import Path

import torch

from outgrow.dag.work import Context, Runtime
from outgrow.errors import StepError
from outgrow.steps.launch import in_every_process
from outgrow.training.sharded import here


@in_every_process
def step(context):
    """Leave a file that says which process this is."""
    share, fails = here(), context.spec["fails"]
    if fails == "never ends":
        (context.folder / "pid").write_text(str(os.getpid()))
        time.sleep(600)
    if share.rank == 1 and fails == "step error":
        raise StepError("lower it")
    if share.rank == 1 and fails == "own error":
        raise ValueError("one went wrong")
    if share.rank == 1 and fails == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    total = share.total(torch.tensor(share.rank + 1))
    (context.folder / "rank.txt").write_text(str(share.rank))
    for done in range(3):
        context.progress(done + 1, 3, "things")
    return {"rank": share.rank, "world": share.world, "sum": int(total)}


if __name__ == "__main__":
    import launched

    launched.step(Context({"fails": "never ends"}, {}, Path(sys.argv[1]), Runtime(gpus=2)))
