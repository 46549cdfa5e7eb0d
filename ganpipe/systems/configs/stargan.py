"""Options of `ganpipe.systems.stargan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from ganpipe.config import Width
from ganpipe.config.choices import Upsampling
from ganpipe.core.inputs import Choice, Given, Input
from ganpipe.nets.sizes import halved_to_few, require_quarters
from ganpipe.systems.configs import SystemConfig, require_fitting_attributes


class Config(SystemConfig):
    """The options of `stargan`; the defaults are those of its source."""

    condition: Literal["label", "attributes"] = "label"  # domains that exclude each other, or that are on or off
    attributes: tuple[str, ...] | None = None  # names of attributes of the data; null: all
    features: Width = 64  # channels of the generator's first layer; four times as many in the blocks
    blocks: Annotated[int, Field(ge=1, le=64)] = 6  # residual
    features_discriminator: Width = 64  # channels of the first layer, doubled from layer to layer
    n_critic: Annotated[int, Field(ge=1, le=1000)] = 5  # discriminator steps per generator step
    penalty_weight: NonNegativeFloat = 10.0  # lambda_gp
    domain_weight: NonNegativeFloat = 1.0  # lambda_cls
    cycle_weight: NonNegativeFloat = 10.0  # lambda_rec
    identity_weight: NonNegativeFloat = 0.0  # times lambda_rec: a picture sent to its own domain stays as it is
    upsampling: Upsampling = "transposed"  # nearest: without checkerboards

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"source": Given("image"), "domain": Choice(self.condition)}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        require_quarters(height, width)
        halved_to_few(height, width)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        require_fitting_attributes(self.condition, self.attributes)
        return self
