"""Options of `ganpipe.systems.esrgan`."""

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
    """The options of `esrgan`; the defaults are those of its source, for batches of 16."""

    drawing = ("alpha",)

    trunk: Trunk = "vgg19"  # hed, vgg19 or random-SEED, see docs/weights.md
    layers: tuple[str, ...] | None = None  # whose features are compared; null: conv5_4 of vgg19, conv4_3 of the others
    features: Width = 64  # channels of the generator
    blocks: Annotated[int, Field(ge=1, le=256)] = 23  # of three dense blocks each
    growth: Width = 32  # channels that a convolution of a dense block adds
    bicubic_skip: bool = False  # not in the source: the generator adds to the picture that a bicubic filter enlarged
    features_discriminator: Width = 64  # channels of the first layer, eight times as many in the last
    dense_discriminator: Width = 1024  # of the layer before the logit
    pretrain_kimg: NonNegativeFloat = 16_000.0  # so long the generator learns by absolute error alone: 10^6 updates
    halve_pretrain_kimg: PositiveFloat | None = 3200.0  # half the learning rate each time so much is shown; null: never
    adversarial_lr: PositiveFloat = 0.5  # from then on train.lr and train.lr_discriminator times this
    halve_at_kimg: tuple[NonNegativeFloat, ...] = (800.0, 1600.0, 3200.0, 4800.0)  # after pretrain_kimg, halved again
    perceptual_weight: NonNegativeFloat = 1.0  # of the distance between features of the made and the wanted picture
    adversarial_weight: NonNegativeFloat = 5e-3  # lambda
    l1_weight: NonNegativeFloat = 1e-2  # eta
    alpha: Annotated[float, Field(ge=0, le=1)] = 1.0  # drawing: weights before the GAN phase (0) to the last (1)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"low": Given("low")}

    @property
    def compared(self) -> tuple[str, ...]:
        """The layers of the trunk whose features are compared."""
        return self.layers or (("conv5_4",) if self.trunk == "vgg19" else ("conv4_3",))

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`: the trunk has to see something."""
        require_side(self.trunk, self.compared, min(height, width))

    @model_validator(mode="after")
    def _fits(self) -> Config:
        layout_of(self.trunk).require(self.compared)
        return self
