"""A system of several networks: a generator of two that step together, a frozen one, a level of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from specs import vectors
from torch import Tensor, nn

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.inputs import Input, Noise
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.systems.configs import SystemConfig


class Several(System):
    """Makes a vector, and another vector of the first. The frozen network has the same weights for every seed."""

    class Config(SystemConfig):
        latent: int = 3

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((self.latent,))}

    frozen = ("features",)
    outputs = {"vector": "vector", "other": "vector"}
    features_weight: ClassVar[float] = 0.5  # of every weight of the frozen network

    generator: nn.ModuleDict
    level: Tensor

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        length = data.field("vector", "vector", "several").shape[0]
        self.generator = nn.ModuleDict({"body": nn.Linear(cfg.latent, length), "head": nn.Linear(length, length)})
        self.discriminator = nn.Linear(length, 1)
        self.features = nn.Sequential(nn.Linear(length, 2), nn.BatchNorm1d(2))
        nn.init.constant_(self.features[0].weight, self.features_weight)
        nn.init.zeros_(self.features[0].bias)
        self.register_buffer("level", torch.zeros(()))

    def updates(self, it: Iteration) -> Updates:
        batch = it.next_batch()
        yield Update("discriminator", self.discriminator_loss, batch)
        yield Update("generator", self.generator_loss, batch)
        self.level += 0.25

    def generate(self, inputs: Batch) -> Batch:
        """Return a `vector` and an `other` for each `latent`, moved by the level."""
        vector = self.generator["body"](inputs["latent"]) + self.level
        return {"vector": vector, "other": self.generator["head"](vector)}

    def discriminator_loss(self, batch: Batch) -> Terms:
        with torch.no_grad():
            fake = self._drawn(batch)["other"]
        return {"square": (self.discriminator(batch["vector"]) - 1).square().mean() + self.discriminator(fake).mean()}

    def generator_loss(self, batch: Batch) -> Terms:
        fake = self._drawn(batch)["other"]
        wanted = self.features(batch["vector"])
        return {
            "adversarial": -self.discriminator(fake).mean(),
            "features": (self.features(fake) - wanted).square().mean(),
        }

    def _drawn(self, batch: Batch) -> Batch:
        return self.generate({"latent": self.draw("latent", batch_size(batch)).to(self.level.dtype)})


def several(seed: int = 0) -> Several:
    """Return one on vectors of 2."""
    torch.manual_seed(seed)
    return Several(Several.Config(), vectors(2))
