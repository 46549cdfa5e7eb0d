"""A generator that does as it is told, to see what asks it for what: no training needed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganpipe.config import Closed
from ganpipe.core.batch import Batch, DataSpec
from ganpipe.core.system import System

LATENT = 8


class Painter(nn.Module):
    """Paints the condition into the first rows of an image, white where it is on, and tanh of the noise into the last.

    Eight pixels wide or more: what is beside the noise is black.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.strength = nn.Parameter(torch.ones(()))

    def forward(self, latents: Tensor) -> Tensor:
        noise, condition = latents[:, :LATENT], latents[:, LATENT:]
        images = latents.new_full((len(latents), self.height, self.width), -1.0)
        images[:, : condition.shape[1]] = (2 * condition - 1)[:, :, None]
        images[:, -1, :LATENT] = noise.tanh()
        return images[:, None] * self.strength


class Obedient(System):
    """Conditional on the class, or on attributes, in the last columns of its latents. Nobody trains it."""

    class Config(Closed):
        latent: int = LATENT
        on: Literal["label", "attributes"] = "label"

    cfg: Config
    adversaries = ()

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        _, height, width = data.image_shape("obedient")
        self.generator = Painter(height, width)

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        noise = super().latents(n, generator)
        if self.cfg.on == "label":
            condition = torch.randint(len(self.data.classes), (n,), generator=generator)
        else:
            condition = torch.randint(2, (n, len(self.data.attributes)), generator=generator).float()
        return self.ask(torch.cat([noise, noise.new_zeros(n, self._width)], dim=1), condition)

    def asked(self, latents: Tensor) -> Batch:
        condition = latents[:, LATENT:]
        return {"label": condition.argmax(dim=1)} if self.cfg.on == "label" else {"attributes": condition}

    def ask(self, latents: Tensor, condition: Tensor) -> Tensor:
        columns = one_hot(condition, self._width) if self.cfg.on == "label" else condition
        return torch.cat([latents[:, :LATENT], columns.to(latents)], dim=1)

    @property
    def _width(self) -> int:
        return len(self.data.classes if self.cfg.on == "label" else self.data.attributes)


TABLE_LINE = "obedient", f"{__name__}:{Obedient.__name__}"  # for `ganpipe.systems.SYSTEMS`


def obedient(on: str, names: tuple[str, ...] = ("cat", "dog", "fox")) -> Obedient:
    """Return a system that was told the names of its classes or attributes."""
    classes, attributes = (names, ()) if on == "label" else ((), names)
    data = DataSpec(name="toys", kind="image", shape=(1, 8, 8), classes=classes, attributes=attributes)
    return Obedient(Obedient.Config(on=on), data).eval()
