"""What decides the features of a VGG network besides its weights: its layers, its pooling, what it expects to see.

VGG16 and VGG19 are configurations D and E of Simonyan & Zisserman 2014 (arXiv:1409.1556). Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ganpipe.errors import ConfigError

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the convolutions of each block; all kernels are 3x3 with a zero padding of 1."""


@dataclass(frozen=True)
class Preparation:
    """The pixels that a network was trained on: 0..`full`, less `mean`, divided by `std`, one of each per channel.

    Both are in the order of `channels`. The zero padding of every convolution thus means the mean colour.
    """

    channels: Literal["rgb", "bgr"]
    full: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __str__(self) -> str:
        values = ("(" + ", ".join(f"{value:g}" for value in values) + ")" for values in (self.mean, self.std))
        return f"{self.channels.upper()} in [0, {self.full:g}], minus {next(values)}, divided by {next(values)}"


@dataclass(frozen=True)
class Layout:
    """A VGG network without its classifier. `ceil`: pools keep a last odd row and column, as 'same' padding does."""

    counts: tuple[int, int, int, int, int]  # convolutions in each block; a pool of stride 2 follows each block
    preparation: Preparation
    ceil: bool

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers in order: conv1_1 (before its ReLU), relu1_1, ..., pool1, conv2_1, ..., pool5.

        The place of a name is its index in torchvision's `features`.
        """
        names: list[str] = []
        for block, count in enumerate(self.counts, 1):
            names += [f"{kind}{block}_{number}" for number in range(1, count + 1) for kind in ("conv", "relu")]
            names.append(f"pool{block}")
        return tuple(names)

    @property
    def convolutions(self) -> tuple[str, ...]:
        """The names of the layers that have weights."""
        return tuple(name for name in self.layers if name.startswith("conv"))

    def require(self, layers: Iterable[str]) -> None:
        """Raise `ValueError` for a layer that there is not."""
        if unknown := [layer for layer in layers if layer not in self.layers]:
            raise ValueError(f"there is no layer {unknown[0]!r} in the trunk; there are {', '.join(self.layers)}")

    def smallest_side(self, layers: Iterable[str]) -> int:
        """Return the smallest side of images, pixels, for which all of these layers have a place."""
        deepest = max(map(self.layers.index, layers))
        return 1 if self.ceil else 1 << sum(name.startswith("pool") for name in self.layers[: 1 + deepest])

    def channels(self, conv: str) -> tuple[int, int]:
        """Return the channels that go into a convolution and come out of it."""
        block, number = int(conv[4]), int(conv[6:])
        if number > 1:
            return WIDTHS[block - 1], WIDTHS[block - 1]
        return (3, *WIDTHS)[block - 1], WIDTHS[block - 1]


HED_PIXELS = Preparation("bgr", 255.0, (104.00699, 116.66877, 122.67892), (1.0, 1.0, 1.0))
"""Of HED (Xie & Tu 2015, arXiv:1504.06375). The Caffe models of VGG's authors take the same order and range, less
103.939, 116.779, 123.68."""

IMAGENET = Preparation("rgb", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of torchvision's models."""

HED_VGG16 = Layout((2, 2, 3, 3, 3), HED_PIXELS, ceil=True)
TORCHVISION_VGG19 = Layout((2, 2, 4, 4, 4), IMAGENET, ceil=False)


def layout_of(trunk: str) -> Layout:
    """Return the layout of the trunk of this name: `hed` is a VGG16, all others are VGG19."""
    return HED_VGG16 if trunk == "hed" else TORCHVISION_VGG19


def require_side(trunk: str, layers: Iterable[str], side: int) -> None:
    """Raise `ConfigError` for images whose shorter side is too small for these layers of a trunk."""
    smallest = layout_of(trunk).smallest_side(layers)
    if side < smallest:
        raise ConfigError(
            f"system.trunk = {trunk!r} looks at {', '.join(layers)} in images of {smallest} pixels or more, not of "
            f"{side}; set data.size, or name layers before the last pools in system.layers"
        )
