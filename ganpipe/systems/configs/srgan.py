"""Options of `ganpipe.systems.srgan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ganpipe.config import Width
from ganpipe.config.choices import Trunk
from ganpipe.core.inputs import Given, Input
from ganpipe.nets.vgg_layouts import layout_of, require_side
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `srgan`; the defaults are those of its source, for batches of 16."""

    trunk: Trunk = "vgg19"  # hed, vgg19 or random-SEED, see docs/weights.md
    layers: tuple[str, ...] | None = None  # whose features are compared; null: relu5_4 of vgg19, relu4_3 of the others
    features: Width = 64  # channels of the generator
    blocks: Annotated[int, Field(ge=1, le=256)] = 16  # residual
    bicubic_skip: bool = False  # not in the source: the generator adds to the picture that a bicubic filter enlarged
    features_discriminator: Width = 64  # channels of the first layer, eight times as many in the last
    dense_discriminator: Width = 1024  # of the layer before the logit
    pretrain_kimg: NonNegativeFloat = 16_000.0  # so long the generator learns by squared error alone: 10^6 updates
    adversarial_lr: PositiveFloat = 1.0  # from then on train.lr and train.lr_discriminator times this
    lower_lr_from_kimg: NonNegativeFloat | None = 17_600.0  # and from here on a tenth of that; null: never
    perceptual_weight: NonNegativeFloat = 0.006  # 1 / 12.75^2, by which the source multiplies squares of features
    adversarial_weight: NonNegativeFloat = 1e-3  # of the adversarial loss in the generator's loss

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"low": Given("low")}

    @property
    def compared(self) -> tuple[str, ...]:
        """The layers of the trunk whose features are compared."""
        return self.layers or (("relu5_4",) if self.trunk == "vgg19" else ("relu4_3",))

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`: the trunk has to see something."""
        require_side(self.trunk, self.compared, min(height, width))

    @model_validator(mode="after")
    def _fits(self) -> Config:
        layout_of(self.trunk).require(self.compared)
        return self
