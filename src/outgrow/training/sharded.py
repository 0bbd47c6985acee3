"""Models larger than one GPU: one process a GPU, each with a part of every weight (torch's `fully_shard`).

    torchrun --nproc-per-node 4 ...
    share = start(); shard(scorer, share); finetune(scorer, ..., share=share)     # in every process

Every process reads the same rows and draws the same batches; it computes its share of each. What they add up to is the
whole batch's gradient, and a loss whose target is a statistic of the batch sees the whole batch, as one process does.
Legend: B rows of a batch, K options.
"""

import os
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from outgrow.errors import StepError
from outgrow.models.heads import Scorer
from outgrow.training.batches import Inputs, micro_batches


@dataclass(frozen=True)
class Share:
    """Which process this is, of how many. The default is the only one."""

    rank: int = 0
    world: int = 1

    def parts(self, inputs: Inputs, rows_B: np.ndarray, *, budget: int, packed: bool) -> list[tuple[np.ndarray, bool]]:
        """Return the places in the batch of this process's micro-batches, and whether each counts.

        All processes have equally many, since they only move together: one that has fewer repeats a row for nothing.
        """
        dealt = [np.arange(len(rows_B))[rank :: self.world] for rank in range(self.world)]
        cut = [micro_batches(inputs, rows_B[each], budget=budget, packed=packed) for each in dealt]
        ends = np.cumsum([len(part) for part in cut[self.rank]])
        mine = [(each, True) for each in np.split(dealt[self.rank], ends[:-1])] if len(ends) else []
        return mine + [(np.zeros(1, np.int64), False)] * (max(map(len, cut)) - len(mine))

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of this over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def each(self, value: int, device: torch.device) -> list[int]:
        """Return what this number is in every process, the first process first; the device is the model's."""
        value_R = torch.zeros(self.world, dtype=torch.int64, device=device)
        value_R[self.rank] = value
        return [int(number) for number in self.total(value_R).tolist()]


def here() -> Share:
    """Return the share of this process: the whole, unless `start` was called."""
    if not (dist.is_available() and dist.is_initialized()):
        return Share()
    return Share(dist.get_rank(), dist.get_world_size())


def start(device: str | None = None) -> Share:
    """Join the processes that torchrun started; on `device` cuda (the default where there is one) take a GPU each.

    StepError where torchrun did not start them.
    """
    if "RANK" not in os.environ:
        raise StepError("a model can be sharded only where torchrun starts the processes: torchrun --nproc-per-node N")
    on_gpu = torch.cuda.is_available() if device is None else device == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if on_gpu else "gloo")
    return here()


def shard(scorer: Scorer, share: Share) -> None:
    """Leave in this process its part of every weight, in place; the parts of a layer meet only while it computes.

    A model that lies on the CPU moves to the process's GPU layer by layer, so it need not fit there as a whole.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh("cuda" if dist.get_backend() == "nccl" else "cpu", (share.world,))
    for layer in _layers(scorer.backbone):
        fully_shard(layer, mesh=mesh)
    fully_shard(scorer, mesh=mesh)
    register_fsdp_forward_method(scorer, "read")


def _layers(backbone: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the layers of a model: the members of its longest lists of modules of one class."""
    lists = [each for each in backbone.modules() if isinstance(each, torch.nn.ModuleList) and len(each)]
    alike = [each for each in lists if len({type(member) for member in each}) == 1]
    longest = max((len(each) for each in alike), default=0)
    return [member for each in alike if len(each) == longest for member in each]


def held(scorer: torch.nn.Module) -> int:
    """Return how many parameters lie in this process."""
    from torch.distributed.tensor import DTensor

    parts = (each.to_local() if isinstance(each, DTensor) else each for each in scorer.parameters())
    return sum(each.numel() for each in parts)


def whole_state(scorer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the whole of every weight, on the CPU, in the first process; nothing in the others. All must call it."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return dict(get_model_state_dict(scorer, options=options))  # type: ignore[arg-type]
