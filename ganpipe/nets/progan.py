"""Networks that grow from 4x4 to the size of the data, level by level (Karras et al. 2018, arXiv:1710.10196).

Level 0 is 4x4, each further level twice as large. While a level fades in, `alpha` runs from 0, where the networks are
those of the level before, to 1. At alpha 1, and at level 0, nothing is left of the level before.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.layers import MinibatchStd
from ganpipe.nets.sizes import doublings, growing_widths

_SIDE = 4  # pixels of level 0
_HE = math.sqrt(2)  # gain of layers with an activation after them (He et al. 2015, arXiv:1502.01852)
_GROUP = 4  # images that the minibatch standard deviation compares


class EqualConv2d(nn.Conv2d):
    """A convolution of stride 1 that keeps the size, with equalised learning rate (section 4.1).

    Its weights begin as N(0, 1) and are multiplied by gain / sqrt(fan in) at run time, its biases begin at 0 and are
    not. So a step of Adam moves all layers equally far in proportion to their range.
    """

    def __init__(self, ins: int, outs: int, kernel: int, gain: float = _HE) -> None:
        super().__init__(ins, outs, kernel, padding=kernel // 2)
        self.scale = gain / math.sqrt(ins * kernel**2)

    def reset_parameters(self) -> None:
        """Draw the first weights."""
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """Convolve."""
        return F.conv2d(input, self.weight * self.scale, self.bias, padding=self.padding)


class EqualLinear(nn.Linear):
    """A fully connected layer with equalised learning rate, see `EqualConv2d`."""

    def __init__(self, ins: int, outs: int, gain: float = _HE, bias: bool = True) -> None:
        super().__init__(ins, outs, bias)
        self.scale = gain / math.sqrt(ins)

    def reset_parameters(self) -> None:
        """Draw the first weights."""
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Multiply."""
        return F.linear(input, self.weight * self.scale, self.bias)


class PixelNorm(nn.Module):
    """Divides the features at each place by the root of their mean square (section 4.2), plus 1e-8 under the root."""

    def forward(self, maps: Float[Tensor, "n c *size"]) -> Float[Tensor, "n c *size"]:
        """Normalise."""
        return maps * torch.rsqrt(maps.square().mean(dim=1, keepdim=True) + 1e-8)


class Start(nn.Module):
    """From a latent to maps of 4x4, with one bias per map.

    The gain is a quarter of the usual one, as in the authors' code: a fan in of 16 times the latent's length.
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.dense = EqualLinear(latent, width * _SIDE**2, gain=_HE / 4, bias=False)
        self.bias = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c 4 4"]:
        """Make the maps."""
        return self.dense(latents).unflatten(1, (-1, _SIDE, _SIDE)) + self.bias


class Generator(nn.Module):
    """Draws images of 4x4 at level 0 up to the size of `shape` at the last level; the pixels are not squashed.

    The latent is moved to the hypersphere by pixel norm. Each level doubles the maps (nearest) and convolves twice;
    LeakyReLU 0.2 and pixel norm follow each layer. A 1x1 convolution per level makes the image. `base` and `most` give
    the number of maps, see `growing_widths`. At 1024x1024x3, latent 512, 8192 and 512: 23,079,115 parameters.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], base: int, most: int) -> None:
        super().__init__()
        channels, height, width = shape
        widths = growing_widths(base, most, doublings(height, width) + 1)
        self.first = nn.Sequential(PixelNorm(), Start(latent, widths[0]), *_normed(), *_painted(widths[0], widths[0]))
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), *_painted(coarse, fine), *_painted(fine, fine))
            for coarse, fine in zip(widths, widths[1:], strict=False)
        )
        self.to_image = nn.ModuleList(EqualConv2d(maps, channels, 1, gain=1.0) for maps in widths)

    def forward(self, latents: Float[Tensor, "n z"], level: int, alpha: float) -> Float[Tensor, "n c h w"]:
        """Draw one image of this level per row of latents."""
        maps = coarse = self.first(latents)
        for block in self.grow[:level]:
            coarse, maps = maps, block(maps)
        images = self.to_image[level](maps)
        if level == 0 or alpha == 1:
            return images
        return torch.lerp(doubled(self.to_image[level - 1](coarse)), images, alpha)


class Critic(nn.Module):
    """Scores images of 4x4 at level 0 up to the size of `shape` at the last level, the mirror image of `Generator`.

    A 1x1 convolution per level reads the image. Each level convolves twice and averages 2x2. At 4x4 the spread of
    groups of 4 images is appended as a map, see `MinibatchStd`. LeakyReLU 0.2 after each layer but the last; no norm.
    At 1024x1024x3, 8192 and 512: 23,087,249 parameters.
    """

    def __init__(self, shape: tuple[int, int, int], base: int, most: int) -> None:
        super().__init__()
        channels, height, width = shape
        widths = growing_widths(base, most, doublings(height, width) + 1)
        self.from_image = nn.ModuleList(nn.Sequential(*_read(channels, maps, 1)) for maps in widths)
        self.shrink = nn.ModuleList(
            nn.Sequential(*_read(fine, fine), *_read(fine, coarse), nn.AvgPool2d(2))
            for coarse, fine in zip(widths, widths[1:], strict=False)
        )
        dense = EqualLinear(widths[0] * _SIDE**2, min(base, most))
        end = EqualLinear(min(base, most), 1, gain=1.0)
        last = [MinibatchStd(_GROUP), *_read(widths[0] + 1, widths[0]), nn.Flatten(), dense, nn.LeakyReLU(0.2), end]
        self.last = nn.Sequential(*last)

    def forward(self, images: Float[Tensor, "n c h w"], level: int, alpha: float) -> Float[Tensor, " n"]:
        """Score each image of this level."""
        maps = self.from_image[level](images)
        for number in reversed(range(level)):
            maps = self.shrink[number](maps)
            if number == level - 1 and alpha != 1:
                maps = torch.lerp(self.from_image[number](F.avg_pool2d(images, 2)), maps, alpha)
        return self.last(maps)[:, 0]


def doubled(images: Float[Tensor, "n c h w"], times: int = 1) -> Float[Tensor, "n c y x"]:
    """Return images enlarged to twice the side this many times: every pixel is repeated."""
    return F.interpolate(images, scale_factor=2.0**times) if times else images


def at_level(images: Float[Tensor, "n c h w"], level: int) -> Float[Tensor, "n c y x"]:
    """Return images averaged over boxes to the side of a level; images that have it are returned as they are."""
    factor = images.shape[-1] // (_SIDE << level)
    return F.avg_pool2d(images, factor) if factor > 1 else images


def faded(images: Float[Tensor, "n c h w"], alpha: float) -> Float[Tensor, "n c h w"]:
    """Return real images as they are shown while a level fades in: mixed with themselves of half the side.

    At alpha 0 they have no more detail than those of the level before, as generated ones have.
    """
    return torch.lerp(doubled(F.avg_pool2d(images, 2)), images, alpha) if alpha != 1 else images


def _normed() -> tuple[nn.Module, nn.Module]:
    return nn.LeakyReLU(0.2, inplace=True), PixelNorm()


def _painted(ins: int, outs: int) -> tuple[nn.Module, ...]:
    return EqualConv2d(ins, outs, 3), *_normed()


def _read(ins: int, outs: int, kernel: int = 3) -> tuple[nn.Module, nn.Module]:
    return EqualConv2d(ins, outs, kernel), nn.LeakyReLU(0.2)
