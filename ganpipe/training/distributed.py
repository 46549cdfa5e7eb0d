"""Several processes training one system under `torchrun`; every function is a no-op in a single process.

Gradients are averaged by hand: `DistributedDataParallel` cannot follow networks that grow.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that `torchrun` started, if it did, for the duration of the block."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def world() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, 0 being the one that writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def barrier() -> None:
    """Wait until every process is here."""
    if world() > 1:
        dist.barrier()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one message."""
    if world() > 1:
        _exchange([p.grad for p in parameters if p.grad is not None], lambda flat: dist.all_reduce(flat.div_(world())))


def broadcast_buffers(system: nn.Module) -> None:
    """Give every process rank 0's floating point buffers (batch statistics): a resume reads rank 0's checkpoint."""
    if world() > 1:
        _exchange([b for b in system.buffers() if b.is_floating_point()], lambda flat: dist.broadcast(flat, src=0))


def _exchange(tensors: list[Tensor], send: Callable[[Tensor], object]) -> None:
    if not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    send(flat)
    for tensor, piece in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(piece.view_as(tensor))
