"""A generator that does as it is told, to see what is chosen for what: no training needed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Literal

import pytest
import torch
from specs import images
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganpipe import systems
from ganpipe.core.inputs import Choice, Input, Noise
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import System
from ganpipe.systems.configs import SystemConfig

LATENT = 8


class Painter(nn.Module):
    """Paints the condition into the first rows of an image, white where it is on, and tanh of the noise into the last.

    Eight pixels wide or more: what is beside the noise is black.
    """

    def __init__(self, height: int, width: int, names: int) -> None:
        super().__init__()
        self.height, self.width, self.names = height, width, names
        self.strength = nn.Parameter(torch.ones(()))

    def forward(self, noise: Tensor, wanted: Tensor) -> Tensor:
        condition = one_hot(wanted, self.names) if wanted.ndim == 1 else wanted
        images = noise.new_full((len(noise), self.height, self.width), -1.0)
        images[:, : self.names] = (2 * condition - 1)[:, :, None].to(images)
        images[:, -1, :LATENT] = noise.tanh()
        return images[:, None] * self.strength


class Obedient(System):
    """Conditional on the class, or on attributes. Nobody trains it."""

    class Config(SystemConfig):
        latent: int = LATENT
        on: Literal["label", "attributes"] = "label"

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((self.latent,)), "wanted": Choice(self.on)}

    cfg: Config
    adversaries = ()

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        _, height, width = data.image_shape("image", "obedient")
        self.generator = Painter(height, width, len(data.names(cfg.on)))


def add_to_table(monkeypatch: pytest.MonkeyPatch, cls: type[System]) -> None:
    """Let `ganpipe.systems` build a system of a test under the name of its class in small letters."""
    name = cls.__name__.lower()
    module = ModuleType(name)
    vars(module).update({cls.__name__: cls, "Config": cls.Config})
    monkeypatch.setitem(systems.SYSTEMS, name, cls.__name__)
    for package in ("ganpipe.systems", "ganpipe.systems.configs"):
        monkeypatch.setitem(sys.modules, f"{package}.{name}", module)


def obedient(on: str, names: tuple[str, ...] = ("cat", "dog", "fox")) -> Obedient:
    """Return a system that was told the names of its classes or attributes."""
    classes, attributes = (names, ()) if on == "label" else ((), names)
    return Obedient(Obedient.Config(on=on), images((1, 8, 8), classes, attributes, name="toys")).eval()
