"""Options of `ganpipe.systems.dcgan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ganpipe.config import Fraction, Width
from ganpipe.config.choices import ObjectiveName, Policy
from ganpipe.core.inputs import Input, Noise
from ganpipe.nets.sizes import halvings, start_of
from ganpipe.systems.configs import SystemConfig


class Config(SystemConfig):
    """The options of `dcgan`; the defaults are those of its source."""

    latent: Width = 100  # length of z
    features: Width = 64  # channels beside the image; doubled at each coarser level, the same everywhere in `faces`
    network: Literal["dcgan", "dense_start", "flowers", "faces", "faces_gelu"] = "dcgan"  # layers of both players
    objective: ObjectiveName = "non_saturating"  # the losses of both players
    spectral_norm: bool = False  # in the discriminator, in place of batch norm
    minibatch_std: PositiveInt | None = None  # the discriminator compares the images of groups of this many
    augment: tuple[Policy, ...] | None = None  # DiffAugment's policies, for every image that the discriminator sees
    r1_weight: NonNegativeFloat = 0.0  # gamma; exact with spectral_norm and without minibatch_std, see `r1_penalty`
    r1_every: PositiveInt = 16  # R1 in every k-th iteration, with k times the weight
    instance_noise: NonNegativeFloat = 0.0  # standard deviation at the start, on pixels in [-1, 1] ...
    instance_noise_until_kimg: PositiveFloat = 100.0  # ... falling linearly to zero here
    real_label: Annotated[float, Field(gt=0.5, le=1)] = 1.0  # below 1: one-sided label smoothing
    flip_real_labels: Fraction = 0.0  # chance of a real image to be called fake
    diversity_weight: NonNegativeFloat = 0.0  # of mode seeking: different latents, different images
    class_balance_weight: NonNegativeFloat = 0.0  # of the entropy of the classes drawn; needs labels

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"latent": Noise((self.latent,))}

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`."""
        if self.network in ("faces", "faces_gelu"):
            for side in (height, width):
                start_of(side)
        else:
            halvings(height, width)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.minibatch_std is not None and self.network not in ("dcgan", "dense_start"):
            raise ValueError(f"minibatch_std works with the networks dcgan and dense_start, not {self.network}")
        return self
