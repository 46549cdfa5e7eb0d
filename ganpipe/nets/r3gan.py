"""Residual networks without normalisation of R3GAN (Huang et al. 2024, arXiv:2501.05441, section 4, config E).

Numbers that the paper leaves open are those of the authors' configurations. Sides must halve evenly to 4..7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.sizes import halvings

Maps = Float[Tensor, "n c h w"]
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)

_SLOPE = 0.2  # of the leaky ReLU below zero
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))  # keeps the variance through it (He et al. 2015, arXiv:1502.01852)
_EXPANSION = 2  # inner channels of a block, over its outer ones
_GROUP = 16  # channels of a group of its 3x3 convolution; all channels where they are fewer


class Generator(nn.Module):
    """Latents modulate learned maps of the coarsest level; each level has `blocks` blocks, each further one doubles.

    The image is a 1x1 convolution of the last maps and is not squashed. At 64x64x3, latent 64, 384 and 768 features
    and 2 blocks it has the authors' 22,429,824 parameters; at 256x256x3 with 96 features 23,057,952.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], features: int, most: int, blocks: int) -> None:
        super().__init__()
        widths = _widths(shape, features, most)
        self.basis = nn.Parameter(torch.randn(widths[0], *_coarsest(shape)))
        self.modulate = _linear(latent, widths[0])
        depth = blocks * len(widths)
        layers: list[nn.Module] = _blocks(widths[0], blocks, depth)
        for coarse, fine in zip(widths, widths[1:], strict=False):
            layers += [*_between(coarse, fine), Doubled(), *_blocks(fine, blocks, depth)]
        self.layers = nn.Sequential(*layers, _convolution(widths[-1], shape[0]))

    def forward(self, latents: Float[Tensor, "n z"]) -> Maps:
        """Draw one image per row of latents."""
        return self.layers(self.basis * self.modulate(latents)[:, :, None, None])


class Discriminator(nn.Module):
    """The generator's mirror: a 1x1 convolution of the image, blocks, halvings, a number per coarsest map, a score.

    Of the authors' sizes at 64x64x3, see `Generator`, 22,381,440 parameters; at 256x256x3 23,009,568.
    """

    def __init__(self, shape: tuple[int, int, int], features: int, most: int, blocks: int) -> None:
        super().__init__()
        widths = _widths(shape, features, most)[::-1]
        depth = blocks * len(widths)
        layers: list[nn.Module] = [_convolution(shape[0], widths[0]), *_blocks(widths[0], blocks, depth)]
        for fine, coarse in zip(widths, widths[1:], strict=False):
            layers += [*_between(fine, coarse), Halved(), *_blocks(coarse, blocks, depth)]
        whole = nn.Conv2d(widths[-1], widths[-1], _coarsest(shape), groups=widths[-1], bias=False)
        self.layers = nn.Sequential(*layers, _scaled(whole, 1.0), nn.Flatten(), _linear(widths[-1], 1))

    def forward(self, images: Maps) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.layers(images)[:, 0]


class Block(nn.Module):
    """1x1 to twice the channels, 3x3 in groups of 16 channels, 1x1 back, added to what came in.

    A bias and a leaky ReLU follow the first two. The last convolution begins at zero, and the others begin smaller the
    more blocks there are, `depth` in all, so that no norm is needed (Zhang et al. 2019, arXiv:1901.09321, section 3).
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        inner = width * _EXPANSION
        gain = _GAIN * depth**-0.25  # of 3 layers: L^(-1 / (2 m - 2))
        groups = inner // _GROUP if inner % _GROUP == 0 else 1
        self.widen = _convolution(width, inner, gain)
        self.mix = _scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False), gain)
        self.narrow = _convolution(inner, width, 0.0)
        self.widen_bias = nn.Parameter(torch.zeros(inner, 1, 1))
        self.mix_bias = nn.Parameter(torch.zeros(inner, 1, 1))

    def forward(self, maps: Maps) -> Maps:
        """Add what the three convolutions make of the maps."""
        inner = F.leaky_relu(self.widen(maps) + self.widen_bias, _SLOPE)
        inner = F.leaky_relu(self.mix(inner) + self.mix_bias, _SLOPE)
        return maps + self.narrow(inner)


class _Resampled(nn.Module):
    """A filter of (1, 3, 3, 1) along both sides: doubling by it is bilinear, with zeros beyond the border."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", torch.outer(line, line)[None, None], persistent=False)


class Doubled(_Resampled):
    """Doubles both sides of maps."""

    def forward(self, maps: Maps) -> Float[Tensor, "n c h2 w2"]:
        """Interpolate."""
        single = maps.flatten(0, 1)[:, None]
        larger = F.conv_transpose2d(single, 4 * self.kernel.to(maps.dtype), stride=2, padding=1)
        return larger.unflatten(0, maps.shape[:2])[:, :, 0]


class Halved(_Resampled):
    """Halves both sides of maps."""

    def forward(self, maps: Maps) -> Float[Tensor, "n c h_half w_half"]:
        """Smooth, and keep every second place."""
        smaller = F.conv2d(maps.flatten(0, 1)[:, None], self.kernel.to(maps.dtype), stride=2, padding=1)
        return smaller.unflatten(0, maps.shape[:2])[:, :, 0]


def _coarsest(shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return height and width of the coarsest level."""
    _, height, width = shape
    times = halvings(height, width)
    return height >> times, width >> times


def _widths(shape: tuple[int, int, int], features: int, most: int) -> list[int]:
    """Return the channels of each level, the coarsest first."""
    return [min(features << level, most) for level in range(halvings(*shape[1:]), -1, -1)]


def _blocks(width: int, count: int, depth: int) -> list[nn.Module]:
    return [Block(width, depth) for _ in range(count)]


def _between(before: int, after: int) -> Sequence[nn.Module]:
    """Return the layer that changes the number of channels, where it changes."""
    return [] if before == after else [_convolution(before, after)]


def _convolution(ins: int, outs: int, gain: float = 1.0) -> nn.Conv2d:
    return _scaled(nn.Conv2d(ins, outs, 1, bias=False), gain)


def _linear(ins: int, outs: int) -> nn.Linear:
    return _scaled(nn.Linear(ins, outs, bias=False), 1.0)


def _scaled(layer: Layer, gain: float) -> Layer:
    """Draw the weights of a layer from N(0, gain^2 / fan in)."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    return layer
