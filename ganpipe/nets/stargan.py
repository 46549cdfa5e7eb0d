"""The networks of StarGAN (Choi et al. 2018, arXiv:1711.09020, tables 4 and 5)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.config.choices import Upsampling
from ganpipe.nets.attention import painted
from ganpipe.nets.sizes import halved_to_few, quartered_reach, require_quarters
from ganpipe.nets.upsampling import doubling


class Generator(nn.Module):
    """From an image and the wanted domains to an image in [-1, 1]: one generator for all domains.

    The domains, numbers 0 or 1, are constant maps beside the image. Two halvings, `blocks` residual blocks, two
    doublings; instance norm with scale and shift, ReLU, zero padding, so that constant maps do not vanish under the
    norm. With 64 features, 6 blocks, 3 channels and 5 domains it has 8,430,528 parameters.

    The statistics of the norms are always those of the image itself. The authors' code keeps running statistics too,
    and never uses them.

    `attention`: it also makes a mask, and changes the image only there, see `nets.attention`. Its last convolution has
    one more channel, for the mask.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        domains: int,
        features: int,
        blocks: int,
        upsampling: Upsampling = "transposed",
        attention: bool = False,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        require_quarters(height, width)
        self.reach = quartered_reach(blocks)
        self.attention = attention
        wide = 4 * features
        self.body = nn.Sequential(
            nn.Conv2d(channels + domains, features, 7, 1, 3, bias=False),
            *_normed(features),
            nn.Conv2d(features, 2 * features, 4, 2, 1, bias=False),
            *_normed(2 * features),
            nn.Conv2d(2 * features, wide, 4, 2, 1, bias=False),
            *_normed(wide),
            *(Residual(wide) for _ in range(blocks)),
            doubling(wide, 2 * features, 4, bias=False, upsampling=upsampling),
            *_normed(2 * features),
            doubling(2 * features, features, 4, bias=False, upsampling=upsampling),
            *_normed(features),
            nn.Conv2d(features, channels + attention, 7, 1, 3, bias=False),
        )

    def forward(self, images: Float[Tensor, "n c h w"], domains: Float[Tensor, "n k"]) -> Float[Tensor, "n c h w"]:
        """Translate each image to its domains."""
        return self.painted(images, domains)[0]

    def painted(
        self, images: Float[Tensor, "n c h w"], domains: Float[Tensor, "n k"]
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n 1 h w"] | None]:
        """Return the translated images, and the mask in [0, 1] of where they were changed; None: without attention."""
        maps = domains[:, :, None, None].expand(-1, -1, *images.shape[2:])
        made = self.body(torch.cat([images, maps], dim=1))
        if not self.attention:
            return torch.tanh(made), None
        return painted(made, images)


class Residual(nn.Module):
    """x + f(x) with two 3x3 convolutions, without ReLU after the sum."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(maps, maps, 3, 1, 1, bias=False),
            *_normed(maps),
            nn.Conv2d(maps, maps, 3, 1, 1, bias=False),
            nn.InstanceNorm2d(maps, affine=True),
        )

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the maps, changed a little."""
        return maps + self.body(maps)


class Discriminator(nn.Module):
    """From an image to one score per patch, and to the logits of its domains.

    4x4 convolutions of stride 2 down to two places, at most six: five at 64x64, six at 128x128 and above. LeakyReLU
    0.01, no norm. Then a 3x3 convolution for the patches and one of the full size for the domains. With 64 features, 3
    channels, 128x128 pixels and 5 domains it has 44,762,048 parameters. Raises `ConfigError` for sides that do not
    halve evenly so often.
    """

    def __init__(self, shape: tuple[int, int, int], domains: int, features: int) -> None:
        super().__init__()
        channels, height, width = shape
        times = halved_to_few(height, width)
        widths = [channels, *(features << number for number in range(times))]
        layers: list[nn.Module] = []
        for ins, outs in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(ins, outs, 4, 2, 1), nn.LeakyReLU(0.01)]
        self.body = nn.Sequential(*layers)
        self.patches = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.domains = nn.Conv2d(widths[-1], domains, (height >> times, width >> times), bias=False)

    def forward(self, images: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n y x"], Float[Tensor, "n k"]]:
        """Return the score of every patch and the logits of the domains."""
        maps = self.body(images)
        return self.patches(maps)[:, 0], self.domains(maps).flatten(1)


def _normed(maps: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(maps, affine=True), nn.ReLU(inplace=True)
