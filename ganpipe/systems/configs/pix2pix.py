"""Options of `ganpipe.systems.pix2pix`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from ganpipe.config import Fraction, Width
from ganpipe.config.choices import Upsampling
from ganpipe.core.inputs import Given, Input
from ganpipe.nets.sizes import halved_to_one, require_patches
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `pix2pix`; the defaults are those of its source."""

    drawing = ("dropout_when_drawing", "norm_when_drawing")

    direction: Literal["a_to_b", "b_to_a"] = "a_to_b"  # which of the two pictures is given
    features: Width = 64  # channels of the U-Net's first layer, doubled from level to level up to eight times as many
    features_discriminator: Width = 64  # likewise
    patch_layers: Annotated[int, Field(ge=0, le=6)] = 3  # of stride 2; the patch: 1, 16, 34, 70, 142, 286 or 574 pixels
    objective: Literal["non_saturating", "least_squares", "wasserstein_gp"] = "non_saturating"  # adversarial losses
    adversarial_weight: NonNegativeFloat = 1.0  # 0: the generator learns by L1 alone, and nobody judges it
    penalty_weight: NonNegativeFloat = 10.0  # of wasserstein_gp: lambda of the gradient penalty
    l1_weight: NonNegativeFloat = 100.0  # lambda
    dropout: Fraction = 0.5  # share of the maps left out in the U-Net's widest decoder layers
    dropout_when_drawing: bool = True  # z of the paper: the only noise
    norm_when_drawing: Literal["picture", "average"] = "picture"  # each picture's own statistics, or training's average
    upsampling: Upsampling = "transposed"  # nearest: without checkerboards

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"source": Given(self.source)}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        halved_to_one(height, width)
        if self.adversarial_weight:
            require_patches(height, width, self.patch_layers)

    @property
    def source(self) -> str:
        """The field of the given pictures."""
        return self.direction[0]

    @property
    def target(self) -> str:
        """The field of the wanted pictures."""
        return self.direction[-1]

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if not self.adversarial_weight and not self.l1_weight:
            raise ValueError("adversarial_weight and l1_weight are both 0: the generator would learn nothing")
        return self
