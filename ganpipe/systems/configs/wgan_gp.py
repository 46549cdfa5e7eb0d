"""Options of `ganpipe.systems.wgan_gp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from ganpipe.config import Width
from ganpipe.core.inputs import Input, Noise
from ganpipe.nets.sizes import halvings, levels
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `wgan_gp`; the defaults are those of its source."""

    latent: Width = 128  # length of z
    features: Width = 64  # channels beside the image; doubled at each coarser level (`resnet`: above 32x32 only)
    network: Literal["dcgan", "mnist", "cifar", "resnet"] = "dcgan"  # layers: DCGAN's, or those of the authors
    n_critic: Annotated[int, Field(ge=1, le=1000)] = 5  # critic steps per generator step
    penalty_weight: NonNegativeFloat = 10.0  # lambda
    generator_latents_per_image: Annotated[int, Field(ge=1, le=64)] = (
        1  # size of G's batch over that of the critic; ResNet: 2
    )

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,))}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        (levels if self.network in ("mnist", "cifar") else halvings)(height, width)
