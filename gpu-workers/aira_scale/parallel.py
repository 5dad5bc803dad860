"""One model over several processes: DDP where it fits a device, FSDP2 (`fully_shard` per layer, then the root) where not.

Processes come from `torchrun`: RANK, WORLD_SIZE, LOCAL_RANK and the rendezvous are in the environment. Each takes its rows of every
batch; a gradient is the mean over ranks of the ranks' means. FSDP2 needs torch 2.6 and later.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from aira_workers.errors import InvalidCandidate
from torch import nn

from .job import Job
from .model import ScaleModel


@dataclass(frozen=True)
class World:
    rank: int
    size: int
    local_rank: int

    @property
    def leads(self) -> bool:
        """Whether this process writes files and events."""
        return self.rank == 0


def open_world(job: Job) -> World:
    """Join the other processes of the job; alone where `parallel` is none. Raises InvalidCandidate when the launch does not fit."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if job.machine.parallel == "none":
        if size != 1:
            raise InvalidCandidate(f"torchrun started {size} processes, but job.machine.parallel is none")
        return World(0, 1, 0)
    if "RANK" not in os.environ:
        raise InvalidCandidate(f"job.machine.parallel is {job.machine.parallel}: start the trainer with torchrun")
    rows = job.machine.micro_batch * size
    if job.schedule.batch % rows:
        raise InvalidCandidate(
            f"a batch of {job.schedule.batch} sequences does not split into {size} devices x micro_batch"
        )
    if job.validation_sequences % size:
        raise InvalidCandidate(f"validation_sequences must be a multiple of the {size} processes")
    dist.init_process_group("nccl" if job.machine.device == "cuda" else "gloo")
    return World(dist.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))


def leave_together(world: World) -> None:
    """Wait until every process is as far."""
    if world.size > 1:
        dist.barrier()


def close_world() -> None:
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class SummedLoss(nn.Module):
    """Summed cross-entropy of a batch in nats: what DDP wraps."""

    def __init__(self, model: ScaleModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens (batch, length + 1) int64 -> scalar."""
        logits = self.model(tokens[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def wrap(model: ScaleModel, job: Job, world: World, device: torch.device) -> nn.Module:
    """The module whose call answers the summed loss, for training; `model` is changed in place by FSDP2."""
    if job.machine.parallel == "fsdp":
        try:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard
        except (ImportError, ValueError) as error:  # Debian's torch 1.13 on Python 3.11 raises the latter
            raise InvalidCandidate("fsdp needs torch 2.6 or later") from error
        mesh = init_device_mesh(device.type, (world.size,))
        for layer in model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    summed: nn.Module = SummedLoss(model)
    if job.machine.parallel == "ddp":
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(summed, device_ids=ids)
    return summed


def without_reduction(wrapped: nn.Module, model: ScaleModel, last: bool) -> AbstractContextManager[Any]:
    """Around all micro-batches but the last of a step: gradients add up locally and are reduced once."""
    if isinstance(wrapped, nn.parallel.DistributedDataParallel):
        return nullcontext() if last else wrapped.no_sync()
    if hasattr(model, "set_requires_gradient_sync"):
        model.set_requires_gradient_sync(last)
    return nullcontext()


def gather_no_longer(model: ScaleModel) -> None:
    """After a forward pass without backward: FSDP2 leaves the root gathered, and what is then written to its parameters is lost."""
    if hasattr(model, "reshard"):
        model.reshard()


def summed_over(world: World, values: torch.Tensor) -> torch.Tensor:
    """Elementwise sum over all processes."""
    if world.size > 1:
        dist.all_reduce(values)
    return values


def whole(value: Any) -> Any:
    """A nested state with every tensor gathered and on the CPU; to be called on all ranks."""
    if isinstance(value, torch.Tensor):
        gathered = value.full_tensor() if hasattr(value, "full_tensor") else value
        return gathered.detach().cpu()
    if isinstance(value, dict):
        return {key: whole(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [whole(part) for part in value]
    return value


def split_like(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`tensor`, equal on all ranks, on the device and with the sharding of `like`."""
    moved = tensor.to(like.device)
    if not hasattr(like, "full_tensor"):
        return moved
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(moved, like.device_mesh, like.placements)
