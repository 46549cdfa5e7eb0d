"""Training of one system by several processes under `torchrun`. A single process exchanges nothing.

Gradients are averaged by hand: `DistributedDataParallel` cannot follow networks that grow.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganpipe.errors import GanpipeError

_PATIENCE = timedelta(days=1)  # rank 0 may wait for a lock or read a large set; torchrun notices when one is dead
_GRACE_SECONDS = 5.0

Result = TypeVar("Result")


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that `torchrun` started, if it did, for the duration of the block."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
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


def together(act: Callable[[], Result], asked: bool = False) -> tuple[Result, bool]:
    """Call `act` in every process; return what it gives, and whether any process was `asked`.

    A `GanpipeError` that it raises in one process is raised in every process, by the first of them that has one.
    """
    if world() == 1:
        return act(), asked
    result, failure = _attempted(act)
    failed, wanted = _anywhere(failure is not None, asked)
    if failed:
        raise _told(next(one for one in _from_all(failure) if one is not None))
    return cast(Result, result), wanted


def from_rank_0(compute: Callable[[], Result]) -> Result:
    """Return in every process what `compute` returns in rank 0, the only one that calls it.

    A `GanpipeError` that it raises there is raised in every process.
    """
    if world() == 1:
        return compute()
    said = [_attempted(compute) if rank() == 0 else (None, None)]
    dist.broadcast_object_list(said, src=0)
    ((result, failure),) = said
    if failure is not None:
        raise _told(failure)
    return cast(Result, result)


def once_per_machine(act: Callable[[], None]) -> None:
    """Let the first process of each machine call `act`, while the others wait.

    A `GanpipeError` that it raises on one machine is raised in every process.
    """
    if world() == 1:
        act()
        return
    for failure in _from_all(_attempted(act)[1] if os.environ.get("LOCAL_RANK", "0") == "0" else None):
        if failure is not None:
            raise _told(failure)


def same_everywhere(value: str) -> bool:
    """Return whether every process called this with an equal value."""
    return world() == 1 or set(_from_all(value)) == {value}


@contextlib.contextmanager
def rank_0_fails_first() -> Iterator[None]:
    """Let rank 0 report a `GanpipeError` that all ranks raise, in one line: the others come later and say nothing.

    Later, because `torchrun` ends all with the first error.
    """
    try:
        yield
    except GanpipeError as error:
        if rank() != 0:
            time.sleep(_GRACE_SECONDS)
        raise _told(error) from None


def _told(error: GanpipeError) -> GanpipeError:
    """Mark an error of all processes as told where another one tells it."""
    error.told_elsewhere = rank() != 0
    return error


def _from_all(value: Result) -> list[Result]:
    """Return the values of all processes, by rank."""
    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def _attempted(compute: Callable[[], Result]) -> tuple[Result | None, GanpipeError | None]:
    """Return (result, None), or (None, error) if `compute` raises a `GanpipeError`."""
    try:
        return compute(), None
    except GanpipeError as error:
        return None, error


def spread_non_finite(values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Replace a value by NaN or inf if it is not finite in any process, so that all processes stop together."""
    if world() == 1:
        return values
    mine = torch.stack([value.double() for value in values.values()])
    summed = mine.clone()
    dist.all_reduce(summed)  # not finite where one of them is not
    return dict(zip(values, torch.where(torch.isfinite(summed), mine, summed), strict=True))


def average(value: Tensor) -> Tensor:
    """Return the mean of a number over the processes."""
    if world() == 1:
        return value
    summed = value.detach().clone()
    dist.all_reduce(summed)
    return summed / world()


def anywhere(asked: bool) -> bool:
    """Return whether any process calls this with True. All of them call it."""
    return asked if world() == 1 else _anywhere(asked)[0]


def _anywhere(*asked: bool) -> list[bool]:
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    counted = torch.tensor(asked, dtype=torch.float32, device=device)
    dist.all_reduce(counted)
    return (counted > 0).tolist()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one message."""
    if world() > 1:
        _exchange([p.grad for p in parameters if p.grad is not None], lambda flat: dist.all_reduce(flat.div_(world())))


def broadcast_buffers(networks: Iterable[nn.Module]) -> None:
    """Give every process rank 0's floating point buffers (batch statistics): a resume reads rank 0's checkpoint."""
    if world() > 1:
        floats = [b for network in networks for b in network.buffers() if b.is_floating_point()]
        _exchange(floats, lambda flat: dist.broadcast(flat, src=0))


def _exchange(tensors: list[Tensor], send: Callable[[Tensor], object]) -> None:
    if not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    send(flat)
    for tensor, piece in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(piece.view_as(tensor))
