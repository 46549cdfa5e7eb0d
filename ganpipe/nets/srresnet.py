"""SRResNet, the generator of SRGAN (Ledig et al. 2017, arXiv:1609.04802, figure 4)."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.bicubic import enlarged


class SRResNet(nn.Module):
    """`blocks` residual blocks at the small size, then a doubling for each factor 2 of `scale`.

    3x3 convolutions with batch norm, 9x9 ones at both ends, PReLU with one weight each. A doubling is a convolution to
    four times as many maps and a pixel shuffle (Shi et al. 2016, arXiv:1609.05158). The output is not squashed. With 3
    channels, 64 features and 16 blocks it has 1,549,462 parameters at scale 4 and 1,401,749 at scale 2. With
    `bicubic_skip`, which is not in the paper, the layers make what is added to the image enlarged by a bicubic filter.
    Images may have any size.
    """

    def __init__(self, channels: int, scale: int, features: int, blocks: int, bicubic_skip: bool = False) -> None:
        super().__init__()
        self.scale, self.bicubic_skip = scale, bicubic_skip
        self.head = nn.Sequential(nn.Conv2d(channels, features, 9, 1, 4), nn.PReLU())
        self.blocks = nn.Sequential(*(Residual(features) for _ in range(blocks)))
        self.joint = nn.Sequential(nn.Conv2d(features, features, 3, 1, 1), nn.BatchNorm2d(features))
        doublings = [layer for _ in range(scale.bit_length() - 1) for layer in _doubling(features)]
        self.tail = nn.Sequential(*doublings, nn.Conv2d(features, channels, 9, 1, 4))

    @property
    def reach(self) -> int:
        """How many pixels around a place of a small image decide what is made there."""
        doublings = self.scale.bit_length() - 1
        body = 4 + 2 * len(self.blocks) + 1
        tail = sum(0.5**number for number in range(doublings)) + 4 / self.scale
        return math.ceil(body + tail)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c y x"]:
        """Enlarge each image."""
        maps = self.head(images)
        made = self.tail(maps + self.joint(self.blocks(maps)))
        return made + enlarged(images, self.scale) if self.bicubic_skip else made


class Residual(nn.Module):
    """x + f(x) with two convolutions, without an activation after the sum."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, 1, 1),
            nn.BatchNorm2d(features),
            nn.PReLU(),
            nn.Conv2d(features, features, 3, 1, 1),
            nn.BatchNorm2d(features),
        )

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the maps, changed a little."""
        return maps + self.body(maps)


def _doubling(features: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(features, 4 * features, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU()
