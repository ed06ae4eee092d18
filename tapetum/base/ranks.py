"""Many processes that train one model: who this one is, and what they say to each other.

`torchrun` starts the processes and says to each, in its environment, which rank it has. Outside of
`process_group` there is one process, and every function here gives back what it was given.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn import functional as differentiable

from tapetum.base.errors import TrainingError

Value = TypeVar("Value")
TIMEOUT = datetime.timedelta(minutes=30)
"""How long a process waits for the others: the first one alone judges an evaluation."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Attributes:
        rank: from 0; the first one writes files and prints.
        world_size: number of processes.
    """

    rank: int = 0
    world_size: int = 1

    @property
    def first(self) -> bool:
        """Does this process write and print?"""
        return self.rank == 0


ALONE = Ranks()


def launched() -> Ranks:
    """Rank and number of processes by the environment, before or after they have connected.

    Returns:
        The processes.
    """
    return Ranks(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


def ranks() -> Ranks:
    """The processes of this training: one outside of `process_group`.

    Returns:
        Rank and number of processes.
    """
    if not dist.is_available() or not dist.is_initialized():
        return Ranks()
    return Ranks(dist.get_rank(), dist.get_world_size())


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Inside, the processes that `torchrun` has started are connected.

    Tensors on the CPU are exchanged through gloo, those on CUDA through nccl.

    Yields:
        The processes.

    Raises:
        TrainingError: another process has ended, or does not answer.
    """
    if launched().world_size == 1 or dist.is_initialized():
        yield ranks()
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=TIMEOUT)
    try:
        yield ranks()
    except RuntimeError as error:
        if not _lost(error):
            raise
        why = f"rank {launched().rank} has lost the other processes of the training"
        raise TrainingError(why, hint="the process that failed says why") from error
    finally:
        dist.destroy_process_group()


def _lost(error: RuntimeError) -> bool:
    """Does an error say that another process has ended?"""
    text = str(error).lower()
    signs = ("connection closed", "connection reset", "timed out", "gloo", "nccl", "broken pipe")
    return isinstance(error, dist.DistError) or any(sign in text for sign in signs)


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process, where each process has one; else the device.

    Args:
        device: the chosen device.

    Returns:
        The device of this process.
    """
    if device.type == "cuda" and device.index is None and launched().world_size > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return device


def sum_over_ranks(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes; gradients pass.

    Args:
        value: a tensor of the same shape in each process.

    Returns:
        The sum, the same in all of them.
    """
    if ranks().world_size == 1:
        return value
    return differentiable.all_reduce(value)


def normalizer(count: Tensor | int) -> Tensor | float:
    """What a sum over this process's part of a batch is divided by to make a mean over the batch.

    That is the mean count of a process, so that the average of the losses of all processes is the
    loss of one process with the whole batch. A batch with nothing to count is divided by 1.

    Args:
        count: of positives, pixels, labeled images, ..., in this process.

    Returns:
        The number to divide by, 1 or more in a training of one process.
    """
    world_size = ranks().world_size
    if world_size == 1:
        return count.clamp(min=1) if isinstance(count, Tensor) else max(1, count)
    total = torch.as_tensor(count).float().clone()
    dist.all_reduce(total)
    return total.clamp(min=1) / world_size


def average_over_ranks(values: Tensor) -> None:
    """Replace a vector by its mean over all processes, in place.

    Args:
        values: a vector of the same length in each process; changed in place.
    """
    world_size = ranks().world_size
    if world_size > 1:
        dist.all_reduce(values)
        values /= world_size


def highest(*values: int) -> tuple[int, ...]:
    """The maximum over all processes, for each position.

    Args:
        values: as many integers in each process.

    Returns:
        The maxima, the same in all processes.
    """
    if ranks().world_size == 1:
        return values
    agreed = torch.tensor(values)
    dist.all_reduce(agreed, dist.ReduceOp.MAX)
    return tuple(agreed.tolist())


def from_first(value: Value) -> Value:
    """The value of the first process, in all of them.

    Args:
        value: can be pickled; that of the first process counts.

    Returns:
        The value.
    """
    if ranks().world_size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gathered(values: Sequence[Value]) -> list[list[Value]]:
    """The values of each process, in all of them.

    Args:
        values: can be pickled; as many as there are in this process.

    Returns:
        A list for each process, by rank.
    """
    world_size = ranks().world_size
    if world_size == 1:
        return [list(values)]
    boxes: list[list[Value]] = [[] for _ in range(world_size)]
    dist.all_gather_object(boxes, list(values))
    return boxes


@torch.no_grad()
def share_weights(module: nn.Module) -> None:
    """Give all processes the parameters and buffers of the first one.

    Args:
        module: its parameters and buffers are changed in place.
    """
    if ranks().world_size > 1:
        for parameter in module.parameters():
            dist.broadcast(parameter.data, src=0)
    share_buffers(module)


@torch.no_grad()
def share_buffers(module: nn.Module) -> None:
    """Give all processes the buffers of the first one: statistics of norms differ between them.

    Args:
        module: its buffers are changed in place.
    """
    if ranks().world_size > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)
