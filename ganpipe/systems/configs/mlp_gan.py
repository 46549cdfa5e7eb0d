"""Options of `ganpipe.systems.mlp_gan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from ganpipe.config import Width
from ganpipe.config.choices import Activation, Norm, ObjectiveName
from ganpipe.core.inputs import Input, Noise
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `mlp_gan`; the defaults are those of its source."""

    latent: Width = 96  # length of z
    latent_distribution: Literal["normal", "uniform"] = "normal"  # uniform: in [0, 1]
    generator_widths: tuple[Width, ...] = (128, 256, 512, 1024)  # of its hidden layers, numbers per layer
    generator_norm: Norm = "batch"  # of its hidden layers
    discriminator_widths: tuple[Width, ...] = (512, 256, 128, 64, 32)  # of its hidden layers, numbers per layer
    discriminator_norm: Literal["none", "layer"] = "none"  # of its hidden layers
    activation: Activation = "gelu"  # of the hidden layers of both players
    leaky_slope: Annotated[float, Field(ge=0, le=1)] = 0.01  # of leaky_relu
    pixels: Literal["sigmoid", "tanh"] = "sigmoid"  # the generator's last activation
    shown_pixels: Literal["signed", "unit"] = "signed"  # D sees them in [-1, 1], or in [0, 1] (the book)
    objective: ObjectiveName = "non_saturating"  # the losses of both players
    separate_steps: bool = False  # the discriminator steps on reals, then on fakes, as in the book
    unpaired_l1_weight: NonNegativeFloat = 0.05  # of |G(z) - x|, x an unrelated real image

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,), self.latent_distribution)}

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.separate_steps and self.objective == "relativistic_average":
            raise ValueError(f"separate_steps shows one kind of images, but {self.objective} compares two")
        return self
