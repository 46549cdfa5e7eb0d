"""Random numbers from a seed, for the first weights of networks and for items that are drawn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Start torch's global CPU generator at `seed` in the block, and restore its earlier state afterwards.

    The same holds for the generator of `device` if it is a GPU. Unlike with `torch.manual_seed`, those of other GPUs
    keep their state.
    """
    gpus = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
