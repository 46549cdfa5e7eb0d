"""A seed for the first weights of networks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start torch's global CPU generator at `seed` in the block, and give its earlier state back afterwards.

    Unlike `torch.manual_seed`, it leaves the generators of the GPUs alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
