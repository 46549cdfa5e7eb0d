"""Options of `ganpipe.systems.text_to_image`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ganpipe.config import Width
from ganpipe.core.inputs import Given, Input, Noise
from ganpipe.errors import ConfigError
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `text_to_image`; no paper has all of them, and the defaults are those of `emoji-text`."""

    latent: Width = 64  # length of z
    width: Width = 128  # of the Transformer
    heads: Annotated[int, Field(ge=1, le=64)] = 4  # of its attention, and of the discriminator's
    depth: Annotated[int, Field(ge=1, le=64)] = 2  # layers of the Transformer
    patch: Annotated[int, Field(ge=1, le=64)] = 8  # side of the patch that one query makes, pixels
    features: Width = 16  # maps in which patches are put together
    features_discriminator: Width = 32  # of the first layer, doubled from layer to layer
    adversarial_weight: NonNegativeFloat = 1.0  # 0: the generator learns by L1 and L2 alone, and nobody judges it
    mismatched: bool = True  # real pictures with the caption of another are fakes
    swapped: bool = True  # real pictures with a caption of which one part is swapped are fakes
    ma_gp_weight: NonNegativeFloat = 0.0  # k of the matching-aware gradient penalty; 2 as published
    ma_gp_power: PositiveFloat = 6.0  # p of it
    l1_weight: NonNegativeFloat = 1.0  # of the mean absolute difference to the paired picture
    l2_weight: NonNegativeFloat = 20.0  # of the mean square difference
    pixel_decay_kimg: PositiveFloat | None = None  # both fall linearly to 0 there; null: they stay

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,)), "caption": Given("caption")}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        if height % self.patch or width % self.patch:
            raise ConfigError(
                f"images of {height}x{width} are not put together from patches of system.patch = {self.patch}; set it "
                "to a divisor of both sides, or set data.size to a multiple of it"
            )

    @model_validator(mode="after")
    def _fits(self) -> Config:
        for key in ("width", "features_discriminator"):
            if getattr(self, key) % self.heads:
                raise ValueError(f"{key} {getattr(self, key)} is not shared evenly by {self.heads} heads")
        if not self.adversarial_weight and not (self.l1_weight or self.l2_weight):
            raise ValueError("adversarial_weight, l1_weight and l2_weight are all 0: the generator would learn nothing")
        if not self.adversarial_weight and self.pixel_decay_kimg is not None:
            raise ValueError("pixel_decay_kimg lets the only loss end, since adversarial_weight is 0: leave it blank")
        return self
