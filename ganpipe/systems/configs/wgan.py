"""Options of `ganpipe.systems.wgan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from ganpipe.config import Width
from ganpipe.core.inputs import Input, Noise
from ganpipe.nets.sizes import halvings
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `wgan`; the defaults are those of its source."""

    latent: Width = 100  # length of z
    features: Width = 64  # channels beside the image; doubled at each coarser level
    n_critic: Annotated[int, Field(ge=1, le=1000)] = 5  # critic steps per generator step
    clip: PositiveFloat = 0.01  # c
    long_n_critic: Annotated[int, Field(ge=1, le=1000)] | None = None  # of long steps; None: n_critic; authors: 100
    first_long_steps: NonNegativeInt = 25  # number of long generator steps at the start
    long_step_every: PositiveInt = 500  # afterwards, every k-th generator step is long

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,))}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        halvings(height, width)
