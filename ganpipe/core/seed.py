"""The first weights of networks as a function of a seed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start torch's global CPU generator at `seed` in the block, and give its earlier state back afterwards.

    `torch.manual_seed` would seed the GPUs, too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
