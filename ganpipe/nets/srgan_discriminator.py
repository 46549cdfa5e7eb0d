"""The discriminator of SRGAN (Ledig et al. 2017, arXiv:1609.04802, figure 4), which ESRGAN takes over."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

_STRIDED = 4  # pairs of convolutions: the second of each pair halves the sides, and the first doubles the maps
_SIDE = 1 << _STRIDED  # the factor by which sides become shorter
_SLOPE = 0.2


class SRDiscriminator(nn.Module):
    """Eight 3x3 convolutions, every second of stride 2, and two linear layers, to one logit per image.

    `features` maps at first, eight times as many at last; LeakyReLU 0.2, batch norm from the second convolution on;
    `dense` numbers before the logit. With 3 channels, 64 features and 1024 numbers it has 23,565,505 parameters at
    96x96 and 38,245,569 at 128x128. It judges images of one size alone; sides that do not halve evenly are rounded up.
    """

    def __init__(self, shape: tuple[int, int, int], features: int, dense: int) -> None:
        super().__init__()
        ins, height, width = shape
        layers: list[nn.Module] = []
        for number in range(2 * _STRIDED):
            outs = features << number // 2
            layers.append(nn.Conv2d(ins, outs, 3, 1 + number % 2, 1))
            layers += [nn.BatchNorm2d(outs)] if number else []
            layers.append(nn.LeakyReLU(_SLOPE, inplace=True))
            ins = outs
        places = -(-height // _SIDE) * -(-width // _SIDE)
        head = nn.Flatten(), nn.Linear(ins * places, dense), nn.LeakyReLU(_SLOPE, inplace=True), nn.Linear(dense, 1)
        self.layers = nn.Sequential(*layers, *head)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Return the logit of each image."""
        return self.layers(images)[:, 0]
