"""Several processes that compute as one: ``torchrun`` on many devices or nodes.

Without ``torchrun`` there is one process, and nothing here costs anything.
Every process calls the same library functions; the first one alone writes
files and the database, and reports. All processes must see the same database
and the same ``DAEBIAS_HOME``.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist

from ..errors import InputError

#: how long processes wait for one another; the first one evaluates and writes alone
PATIENCE = datetime.timedelta(hours=2)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes at work.

    Attributes:
        rank: number of this process
        size: number of processes
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def barrier(self) -> None:
        """Waits until every process is here."""
        if self.size > 1:
            dist.barrier()

    def shard(self, n: int) -> slice:
        """This process's stretch of ``n`` things: stretches differ by at most one and leave nothing out."""
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean of a float tensor over the processes, on every one of them."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def average_gradients(self, parameters) -> None:
        """Replaces gradients by their mean over the processes: for learners that do not wrap their networks in DDP."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([g.reshape(-1) for g in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, value) -> list | None:
        """What every process has, in order of rank, for the first process; ``None`` for the others."""
        if self.size == 1:
            return [value]
        found = [None] * self.size if self.is_main else None
        dist.gather_object(value, found, dst=0)
        return found

    def broadcast(self, value):
        """What the first process has, on every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


def process_group() -> ProcessGroup:
    """The process group that this process belongs to."""
    if dist.is_available() and dist.is_initialized():
        return ProcessGroup(dist.get_rank(), dist.get_world_size())
    return ProcessGroup()


def launched() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def join(device: str | None = None) -> ProcessGroup:
    """Joins the process group that ``torchrun`` has started; NCCL between GPUs, gloo between CPUs.

    Raises:
        InputError: more processes on this node than GPUs
    """
    if dist.is_initialized():
        return process_group()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available() and not (device or "").startswith("cpu")
    if on_gpu:
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} of this node has no GPU of its own ({torch.cuda.device_count()} here); pass "
                f"--nproc-per-node {torch.cuda.device_count()} to torchrun, or --device cpu"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    return process_group()


def leave() -> None:
    """Leaves the process group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
