"""The residual generator of CycleGAN (Zhu et al. 2017, arXiv:1703.10593, appendix 7.2), after Johnson et al. 2016."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.config.choices import Upsampling
from ganpipe.nets.sizes import quartered_reach, require_quarters
from ganpipe.nets.upsampling import doubling


class Translator(nn.Module):
    """Two halvings, `blocks` residual blocks and two doublings, from an image to an image in [-1, 1].

    Instance norm without scale and shift, ReLU, reflection padding. `features` maps at full size, four times as many
    in the blocks. With 64 features and 3 channels it has 11,378,179 parameters with 9 blocks (for 256x256) and
    7,837,699 with 6 (for 128x128). Raises `ConfigError` for sides that are no multiples of 4.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        made: int,
        features: int,
        blocks: int,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        channels, height, width = shape
        require_quarters(height, width)
        self.reach = quartered_reach(blocks)
        wide = 4 * features
        self.body = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(channels, features, 7),
            *_normed(features),
            nn.Conv2d(features, 2 * features, 3, 2, 1),
            *_normed(2 * features),
            nn.Conv2d(2 * features, wide, 3, 2, 1),
            *_normed(wide),
            *(Residual(wide) for _ in range(blocks)),
            doubling(wide, 2 * features, 3, bias=True, upsampling=upsampling),
            *_normed(2 * features),
            doubling(2 * features, features, 3, bias=True, upsampling=upsampling),
            *_normed(features),
            nn.ReflectionPad2d(3),
            nn.Conv2d(features, made, 7),
        )

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        """Translate each image."""
        return torch.tanh(self.body(images))


class Residual(nn.Module):
    """x + f(x) with two 3x3 convolutions, without ReLU after the sum; `affine`: its norms scale and shift."""

    def __init__(self, maps: int, affine: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(maps, maps, 3),
            nn.InstanceNorm2d(maps, affine=affine),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(maps, maps, 3),
            nn.InstanceNorm2d(maps, affine=affine),
        )

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the maps, changed a little."""
        return maps + self.body(maps)


def _normed(maps: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(maps), nn.ReLU(inplace=True)
