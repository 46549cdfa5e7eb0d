"""Options of `ganpipe.systems.r3gan`, and its schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt

from ganpipe.config import Fraction, Width
from ganpipe.config.choices import Policy
from ganpipe.core.inputs import Input, Noise
from ganpipe.nets.sizes import halvings
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `r3gan`; the defaults are those of its authors for FFHQ at 64x64."""

    latent: Width = 64  # length of z
    network: Literal["r3gan", "dcgan"] = "r3gan"  # dcgan: DCGAN's, without batch norm in the discriminator
    features: Width = 384  # channels beside the image; doubled at each coarser level ...
    features_most: Width = 768  # ... but at most so many; of r3gan alone
    hidden: Width | None = None  # units of a fully connected layer in each network of dcgan; blank: without one
    blocks: PositiveInt = 2  # residual blocks of each level; of r3gan alone
    gamma: NonNegativeFloat = 2.0  # weight of R1 and R2 in the beginning ...
    gamma_end: NonNegativeFloat = 0.2  # ... and in the end
    lr_end: Fraction = 0.25  # learning rate in the end, as a share of train.lr
    decay_kimg: NonNegativeFloat = 20_000.0  # length of both schedules; afterwards the values of the end stay
    augment: tuple[Policy, ...] | None = None  # DiffAugment's policies, for every image that the discriminator sees

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,))}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        halvings(height, width)

    def gamma_at(self, kimg: float) -> float:
        """Return the weight of R1 and R2 after so many images."""
        return self._decayed(self.gamma, self.gamma_end, kimg)

    def lr_at(self, kimg: float) -> float:
        """Return the factor on the learning rate after so many images."""
        return self._decayed(1.0, self.lr_end, kimg)

    def _decayed(self, start: float, end: float, kimg: float) -> float:
        """Go from start to end along half a cosine."""
        if kimg >= self.decay_kimg:
            return end
        return end + (start - end) * (1 + math.cos(math.pi * kimg / self.decay_kimg)) / 2
