"""A generator that makes its output from rows of the data: the negative of what it is given, noise in a corner."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganpipe.core.inputs import Given, Input, Noise
from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.system import System
from ganpipe.systems.configs import SystemConfig


class Negative(nn.Module):
    """Turns black into white; where there is noise, the first pixel is tanh of it."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.ones(()))

    def forward(self, source: Tensor, noise: Tensor | None = None) -> Tensor:
        made = -source * self.strength
        if noise is not None:
            made[:, 0, 0, 0] = noise[:, 0].tanh()
        return made


class Translator(System):
    """Makes `image`, like `target`, from `source`. Nobody trains it."""

    class Config(SystemConfig):
        noise: bool = False

        @property
        def inputs(self) -> Mapping[str, Input]:
            source = {"photo": Given("source")}
            return {**source, "latent": Noise((1,))} if self.noise else source

    adversaries = ()
    outputs = {"image": "target"}

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        data.image_shape("source", "translator")
        self.generator = Negative()


def pairs(height: int = 2, width: int = 3) -> DataSpec:
    """Return a data set of grey pictures and their negatives, row by row."""
    field = Field(kind="image", shape=(1, height, width))
    return DataSpec(name="pairs", fields={"source": field, "target": field})


def translator(noise: bool = False) -> Translator:
    """Return one on small pictures."""
    return Translator(Translator.Config(noise=noise), pairs()).eval()
