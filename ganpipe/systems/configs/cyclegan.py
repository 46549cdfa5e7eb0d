"""Options of `ganpipe.systems.cyclegan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from ganpipe.config import Width
from ganpipe.config.choices import Upsampling
from ganpipe.core.inputs import Given, Input
from ganpipe.nets.sizes import require_patches, require_quarters
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `cyclegan`; the defaults are those of its source, for 256x256."""

    features: Width = 64  # channels of the generators' first layer; four times as many in the blocks
    blocks: Annotated[int, Field(ge=1, le=64)] = 9  # residual; the source: 9 at 256x256, 6 at 128x128
    features_discriminator: Width = 64  # channels of the first layer, doubled up to eight times as many
    patch_layers: Annotated[int, Field(ge=0, le=6)] = 3  # of stride 2; the patch: 1, 16, 34, 70, 142, 286 or 574 pixels
    cycle_weight: NonNegativeFloat = 10.0  # lambda
    identity_weight: NonNegativeFloat = 0.5  # times lambda: G(b) stays b; needs equally many channels
    pool: NonNegativeInt = 50  # made pictures of the past that the discriminators see too; 0: the newest only
    upsampling: Upsampling = "transposed"  # nearest: without checkerboards
    attention_weight: NonNegativeFloat | None = None  # of the mask outside which pictures stay; null: no mask

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"a": Given("a"), "b": Given("b")}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        require_quarters(height, width)
        require_patches(height, width, self.patch_layers)
