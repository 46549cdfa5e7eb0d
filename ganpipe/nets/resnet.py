"""Residual generators and critics for 32x32 and 64x64, in the layout of mimicry (Lee & Town 2020, arXiv:2005.02494).

At 32x32 it is the layout of the authors of WGAN-GP (arXiv:1704.00028, igul222/improved_wgan_training,
gan_cifar_resnet.py).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganpipe.nets.dcgan import DenseStart
from ganpipe.nets.sizes import halvings
from ganpipe.nets.wgan_gp import init_convolution

_HE, _GLOROT = 4.0, 2.0  # variance of the first weights times (fan in + fan out)


def widths_of(times: int, features: int) -> list[int]:
    """Return the channels of the maps, from the finest to the coarsest, of a network that halves `times` times.

    With at most three halvings (32x32) all are `features`. With more, the finest are `features`, and each coarser level
    has twice as many: 64, 128, 256, 512, 1024 at 64x64.
    """
    return [features] * (times + 1) if times <= 3 else [features << k for k in range(times + 1)]


class Generator(nn.Module):
    """A fully connected start and residual blocks that double the side, from a latent to an image in [-1, 1].

    Batch norm and ReLU before every 3x3 convolution, tanh at the end. With mimicry's sizes, a latent of 128 and 3
    channels: 4,276,739 parameters at 32x32 (256 features), 12,220,675 at 64x64 (64 features: 1024 at the start).
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], features: int) -> None:
        super().__init__()
        channels, height, width = shape
        times = halvings(height, width)
        widths = widths_of(times, features)[::-1]
        self.start = DenseStart(latent, (widths[0], height >> times, width >> times))
        nn.init.xavier_uniform_(self.start.linear.weight)
        nn.init.zeros_(self.start.linear.bias)
        blocks = [UpBlock(wide, narrow) for wide, narrow in zip(widths, widths[1:], strict=False)]
        end = _convolution(widths[-1], channels, 3, _GLOROT)
        self.layers = nn.Sequential(*blocks, nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True), end, nn.Tanh())

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c h w"]:
        """Draw one image per row of latents."""
        return self.layers(self.start(latents[:, :, None, None]))


class Critic(nn.Module):
    """Residual blocks, the mean over the last maps and a linear end, from an image to one unbounded score.

    No normalisation: the gradient penalty holds per image. With mimicry's sizes and 3 channels: 1,053,825 parameters
    at 32x32 (128 features), 10,141,441 at 64x64 (64 features: 1024 at the end).
    """

    def __init__(self, shape: tuple[int, int, int], features: int) -> None:
        super().__init__()
        channels, height, width = shape
        times = halvings(height, width)
        widths = widths_of(times, features)
        blocks: list[nn.Module] = [FirstDownBlock(channels, widths[0])]
        if times <= 3:
            blocks += [DownBlock(features, features, pooled=k < times - 2) for k in range(times)]
        else:
            blocks += [DownBlock(narrow, wide) for narrow, wide in zip(widths, widths[1:], strict=False)]
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Linear(widths[-1], 1)
        nn.init.xavier_uniform_(self.end.weight)
        nn.init.zeros_(self.end.bias)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.end(torch.relu(self.blocks(images)).mean(dim=(2, 3)))[:, 0]


class UpBlock(nn.Module):
    """Two times batch norm, ReLU, 3x3 convolution; the side is doubled before the first one. 1x1 shortcut."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(wide), nn.BatchNorm2d(narrow)
        self.conv1, self.conv2 = _convolution(wide, narrow, 3, _HE), _convolution(narrow, narrow, 3, _HE)
        self.shortcut = _convolution(wide, narrow, 1, _GLOROT)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d _ _"]:
        """Return maps of twice the side."""
        inner = self.conv1(_doubled(torch.relu(self.norm1(maps))))
        inner = self.conv2(torch.relu(self.norm2(inner)))
        return inner + _doubled(self.shortcut(maps))  # 1x1: the same before and after doubling, and four times cheaper


class DownBlock(nn.Module):
    """Two times ReLU and 3x3 convolution, then the mean of each 2x2 if `pooled`. 1x1 shortcut.

    The shortcut is the identity if the block neither pools nor changes the number of channels.
    """

    def __init__(self, narrow: int, wide: int, pooled: bool = True) -> None:
        super().__init__()
        self.conv1, self.conv2 = _convolution(narrow, narrow, 3, _HE), _convolution(narrow, wide, 3, _HE)
        same = narrow == wide and not pooled
        self.shortcut = nn.Identity() if same else _convolution(narrow, wide, 1, _GLOROT)
        self.pooled = pooled

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d _ _"]:
        """Return maps of half the side if `pooled`."""
        inner = self.conv2(torch.relu(self.conv1(torch.relu(maps))))
        if not self.pooled:
            return inner + self.shortcut(maps)
        return avg_pool2d(inner, 2) + self.shortcut(avg_pool2d(maps, 2))


class FirstDownBlock(nn.Module):
    """The down block for images: no ReLU before the first convolution, which widens at once."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _convolution(channels, wide, 3, _HE), _convolution(wide, wide, 3, _HE)
        self.shortcut = _convolution(channels, wide, 1, _GLOROT)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d _ _"]:
        """Return maps of half the side."""
        inner = self.conv2(torch.relu(self.conv1(images)))
        return avg_pool2d(inner, 2) + self.shortcut(avg_pool2d(images, 2))


def _convolution(narrow: int, wide: int, kernel: int, gain: float) -> nn.Conv2d:
    layer = nn.Conv2d(narrow, wide, kernel, padding=kernel // 2)
    init_convolution(layer, gain)
    return layer


def _doubled(maps: Tensor) -> Tensor:
    return interpolate(maps, scale_factor=2, mode="nearest")
