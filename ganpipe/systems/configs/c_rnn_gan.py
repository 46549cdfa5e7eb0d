"""Options of `ganpipe.systems.c_rnn_gan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ganpipe.config import Kimg, Width
from ganpipe.core.inputs import Input, Noise
from ganpipe.systems.configs import SystemConfig

Layers = Annotated[int, Field(ge=1, le=16)]


Objective = Literal["minimax", "non_saturating", "feature_matching", "mean_matching"]


class Config(SystemConfig):
    """The options of `c_rnn_gan`; the defaults are those of its source where it names them."""

    drawing: ClassVar[tuple[str, ...]] = ("ticks",)

    tones: Annotated[int, Field(ge=2, le=100_000)]  # of a window, as in the data
    tones_per_step: PositiveInt = 1  # made together; 3: C-RNN-GAN-3
    latent: Width = 4  # numbers of noise for each step
    units: Width = 350  # of each layer of the generator
    units_discriminator: Width = 350  # of each layer and direction of the discriminator
    lstm_layers: Layers = 2  # of both
    pretrain_kimg: NonNegativeFloat = 0.0  # so long the generator learns by the squared error of the next tone alone
    shortest: PositiveInt = 4  # tones at the beginning of windows that it learns from at first
    lengthen_kimg: Kimg = 1.0  # and as many more each time that so many windows were shown
    adversarial_lr: PositiveFloat = 1.0  # after it train.lr and train.lr_discriminator times this
    objective: Objective = "feature_matching"  # of the generator: adversarial, or a distance between features
    freeze_below: Annotated[float, Field(ge=0, lt=1)] = 0.7  # below this share of the other's loss a player waits
    ticks: Annotated[int, Field(ge=1, le=10_000)] = 384  # of a quarter: when drawing, times are rounded to them

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.tones // self.tones_per_step, self.latent), "uniform")}

    @property
    def makes_music(self) -> bool:
        """See `SystemConfig`."""
        return True

    @model_validator(mode="after")
    def _fits(self) -> Config:
        for name, tones in {"tones": self.tones, "shortest": self.shortest}.items():
            if tones % self.tones_per_step:
                raise ValueError(f"{name} {tones} is no multiple of tones_per_step {self.tones_per_step}")
        return self
