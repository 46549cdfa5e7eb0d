"""Instance norms with the statistics of another picture: those of a small version, for the tiles of a large one.

Thumbnail instance normalisation (Chen et al. 2022, arXiv:2103.11784, section 3.2): with statistics of its own each tile
would get another contrast and colour than its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Statistics = dict[nn.InstanceNorm2d, list[tuple[Tensor, Tensor]]]
"""Mean and variance of each map, by norm, in the order of its calls."""


def instance_norms(network: nn.Module) -> list[nn.InstanceNorm2d]:
    """Return all instance norms of a network."""
    return [module for module in network.modules() if isinstance(module, nn.InstanceNorm2d)]


@contextmanager
def recorded(network: nn.Module) -> Iterator[Statistics]:
    """Note the statistics of all instance norms that run in the block, over all pictures of a batch together."""
    found: Statistics = {}

    def note(norm: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        assert isinstance(norm, nn.InstanceNorm2d)
        (maps,) = given
        variance, mean = torch.var_mean(maps.detach(), dim=(0, 2, 3), correction=0)
        found.setdefault(norm, []).append((mean, variance))

    hooks = [norm.register_forward_hook(note) for norm in instance_norms(network)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def replayed(network: nn.Module, statistics: Statistics) -> Iterator[None]:
    """Let all instance norms use noted statistics in the block, call by call in the same order, again and again."""
    turns = {norm: cycle(noted) for norm, noted in statistics.items()}

    def use(norm: nn.Module, given: tuple[Tensor], made: Tensor) -> Tensor:
        assert isinstance(norm, nn.InstanceNorm2d)
        mean, variance = next(turns[norm])
        return F.batch_norm(given[0], mean, variance, norm.weight, norm.bias, eps=norm.eps)

    hooks = [norm.register_forward_hook(use) for norm in instance_norms(network)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
