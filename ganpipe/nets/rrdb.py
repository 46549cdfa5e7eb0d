"""RRDBNet, the generator of ESRGAN (Wang et al. 2018, arXiv:1809.00219, section 3.1)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from ganpipe.nets.bicubic import enlarged

_SCALING = 0.2  # beta: what a block adds is multiplied by it
_SLOPE = 0.2
_DENSE = 3  # dense blocks in a block
_CONVS = 5  # in a dense block
_SMALLER = 0.1  # the first weights, times those of He et al.


class RRDBNet(nn.Module):
    """`blocks` residual-in-residual dense blocks at the small size, then a doubling for each factor 2 of `scale`.

    3x3 convolutions, LeakyReLU 0.2, no norm. A doubling repeats each place 2 x 2 before a convolution, as in the
    authors' code. The output is not squashed. With 3 channels, 64 features, 23 blocks and a growth of 32 it has
    16,697,987 parameters at scale 4. First weights: N(0, 2 / inputs) times 0.1 (section 4.1), biases 0. With
    `bicubic_skip`, which is not in the paper, the layers make what is added to the image enlarged by a bicubic filter.
    Images may have any size.
    """

    def __init__(
        self, channels: int, scale: int, features: int, blocks: int, growth: int, bicubic_skip: bool = False
    ) -> None:
        super().__init__()
        self.scale, self.bicubic_skip = scale, bicubic_skip
        self.head = _conv(channels, features)
        self.body = nn.Sequential(*(Block(features, growth) for _ in range(blocks)), _conv(features, features))
        doublings = [layer for _ in range(scale.bit_length() - 1) for layer in _doubling(features)]
        last = _conv(features, features), nn.LeakyReLU(_SLOPE, inplace=True), _conv(features, channels)
        self.tail = nn.Sequential(*doublings, *last)

    @property
    def reach(self) -> int:
        """How many pixels around a place of a small image decide what is made there.

        15 for each block, and two at most for all other layers at the small size. The doublings add 1 / 2 + 1 / 4 + ...
        """
        blocks = len(self.body) - 1
        doublings = self.scale.bit_length() - 1
        tail = sum(0.5 ** (number + 1) for number in range(doublings)) + 2 / self.scale
        return math.ceil(2 + _DENSE * _CONVS * blocks + tail)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c y x"]:
        """Enlarge each image."""
        maps = self.head(images)
        made = self.tail(maps + self.body(maps))
        return made + enlarged(images, self.scale) if self.bicubic_skip else made


class Block(nn.Module):
    """x + beta f(x), where f is three dense blocks."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(Dense(features, growth) for _ in range(_DENSE)))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the maps, changed a little."""
        return maps + _SCALING * self.body(maps)


class Dense(nn.Module):
    """x + beta f(x), where each convolution of f sees x and the outputs of all convolutions before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.growing = nn.ModuleList(_conv(features + number * growth, growth) for number in range(_CONVS - 1))
        self.last = _conv(features + (_CONVS - 1) * growth, features)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the maps, changed a little."""
        seen = maps
        for conv in self.growing:
            seen = torch.cat([seen, leaky_relu(conv(seen), _SLOPE)], dim=1)
        return maps + _SCALING * self.last(seen)


def _doubling(features: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Upsample(scale_factor=2), _conv(features, features), nn.LeakyReLU(_SLOPE, inplace=True)


def _conv(ins: int, outs: int) -> nn.Conv2d:
    conv = nn.Conv2d(ins, outs, 3, 1, 1)
    nn.init.kaiming_normal_(conv.weight)
    conv.weight.data *= _SMALLER
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
