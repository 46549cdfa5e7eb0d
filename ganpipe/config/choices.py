"""Names that options of several systems choose from. What each does is defined where it is used."""

from __future__ import annotations

from typing import Literal

ObjectiveName = Literal["non_saturating", "minimax", "least_squares", "squared_error", "hinge", "relativistic_average"]
"""Adversarial objectives: the keys of `ganpipe.losses.adversarial.OBJECTIVES`."""

Policy = Literal["color", "translation", "cutout"]
"""What DiffAugment may do to an image, see `ganpipe.nets.augment`."""

Activation = Literal["gelu", "leaky_relu", "sigmoid"]
"""Activations of fully connected networks, see `ganpipe.nets.mlp`."""

Norm = Literal["none", "batch", "layer"]
"""Normalisations of fully connected networks, see `ganpipe.nets.mlp`."""
