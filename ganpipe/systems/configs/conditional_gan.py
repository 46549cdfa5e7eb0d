"""Options of `ganpipe.systems.conditional_gan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ganpipe.config import Width
from ganpipe.config.choices import Policy
from ganpipe.core.inputs import Choice, Input, Noise
from ganpipe.nets.sizes import halvings
from ganpipe.systems.configs import SystemConfig, require_fitting_attributes

Objective = Literal["non_saturating", "minimax", "least_squares", "squared_error", "hinge"]


class Config(SystemConfig):
    """The options of `conditional_gan`; the defaults are those of its source."""

    latent: Width = 100  # length of z, without the condition
    network: Literal["dcgan", "mlp"] = "dcgan"  # the layers of both players, convolutional or fully connected
    features: Width = 64  # of dcgan: channels beside the image, doubled at each coarser level
    widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (200,)  # of mlp: the hidden layers of both players
    discriminator: Literal["joint", "heads", "projection"] = "joint"  # how the discriminator sees the condition
    condition: Literal["label", "attributes"] = "label"  # which field of the data is asked for
    attributes: tuple[str, ...] | None = None  # names of attributes of the data; null: all
    objective: Objective = "non_saturating"  # the losses of both players
    mismatched: bool = False  # half of the cost of fakes is that of real images under a wrong condition
    augment: tuple[Policy, ...] | None = None  # DiffAugment's policies, for every image that the discriminator sees

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,)), "condition": Choice(self.condition)}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        if self.network == "dcgan":
            halvings(height, width)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        require_fitting_attributes(self.condition, self.attributes)
        return self
