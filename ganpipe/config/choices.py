"""Names that options of several systems choose from. What each does is defined where it is used."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

ObjectiveName = Literal["non_saturating", "minimax", "least_squares", "squared_error", "hinge", "relativistic_average"]
"""Adversarial objectives: the keys of `ganpipe.losses.adversarial.OBJECTIVES`."""

Policy = Literal["color", "translation", "cutout"]
"""What DiffAugment may do to an image, see `ganpipe.nets.augment`."""

Activation = Literal["gelu", "leaky_relu", "sigmoid"]
"""Activations of fully connected networks, see `ganpipe.nets.mlp`."""

Norm = Literal["none", "batch", "layer"]
"""Normalisations of fully connected networks, see `ganpipe.nets.mlp`."""


def _is_trunk(name: str) -> str:
    if name not in ("hed", "vgg19") and not re.fullmatch(r"random-\d{1,9}", name):
        raise ValueError(f"{name!r} is no trunk; there are hed, vgg19 and random-SEED, for example random-0")
    return name


Trunk = Annotated[str, AfterValidator(_is_trunk)]
"""Frozen VGG networks that judge images by their features, see `ganpipe.pretrained.trunks`."""


def _judges(name: str) -> str:
    return name if name == "lite0" else _is_trunk(name)


Judging = Annotated[str, AfterValidator(_judges)]
"""Frozen networks that compare samples by their features: the trunks, and lite0, see `ganpipe.metrics.trunks`."""

Upsampling = Literal["transposed", "nearest"]
"""How maps are doubled in generators of pictures from pictures, see `ganpipe.nets.upsampling`."""
