"""The moving average of a system's generators, the networks that are published."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import nn

from ganpipe.core.system import System


class Ema(nn.Module):
    """Exponential moving average of the generators' parameters and float buffers, by half-life in thousands of images.

    After n images the old value weighs 0.5^(n / half-life). In the beginning the half-life is at most a twentieth of
    the images shown, so that the first weights are soon forgotten (Karras et al. 2020, arXiv:2006.06676, the authors'
    code).
    A half-life of 0 keeps no average: the trained generators themselves are used.
    """

    RAMP_UP = 0.05

    def __init__(self, system: System, half_life_kimg: float) -> None:
        super().__init__()
        self.half_life_kimg = half_life_kimg
        names = system.generators if half_life_kimg else ()
        self.shadow = nn.ModuleDict({name: copy.deepcopy(system.get_submodule(name)) for name in names})
        self.requires_grad_(False)

    @torch.no_grad()
    def update(self, system: System, shown: int, nimg: int) -> None:
        """Move the average towards the live networks after `shown` more images, `nimg` in all."""
        if not self.half_life_kimg:
            return
        weight = 1 - 0.5 ** (shown / min(1000 * self.half_life_kimg, self.RAMP_UP * nimg))
        for name, shadow in self.shadow.items():
            mine, live = shadow.state_dict(), system.get_submodule(name).state_dict()
            floats = [key for key, value in mine.items() if torch.is_tensor(value) and value.is_floating_point()]
            torch._foreach_lerp_([mine[key] for key in floats], [live[key] for key in floats], weight)
            for key in mine.keys() - set(floats):
                if torch.is_tensor(mine[key]):
                    mine[key].copy_(live[key])

    @contextlib.contextmanager
    def applied(self, system: System) -> Iterator[System]:
        """Lend `system` its averaged generators, in evaluation mode, for the duration of the block."""
        training = system.training
        live = {name: system.get_submodule(name) for name in self.shadow}
        for name, shadow in self.shadow.items():
            setattr(system, name, shadow)
        system.eval()
        try:
            yield system
        finally:
            for name, module in live.items():
                setattr(system, name, module)
            system.train(training)
