"""PatchGAN: a discriminator that judges overlapping patches (Isola et al. 2017, arXiv:1611.07004, section 3.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.sizes import require_patches

Norm = Literal["batch", "instance", "none"]

_NORMS: Mapping[Norm, type[nn.Module] | None] = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": None}
_WIDEST = 8  # times the first number of maps


class PatchGAN(nn.Module):
    """4x4 convolutions, `layers` of them of stride 2 and two more of stride 1, to one number per patch.

    LeakyReLU 0.2, no norm after the first convolution. `features` maps after the first, doubled from layer to layer up
    to eight times as many. `layers` 0 is the authors' PixelGAN of 1x1 convolutions. See `receptive_field` for the side
    of a patch. With 64 features, 3 layers and 6 channels (input and output of pix2pix beside each other) it has
    2,768,705 parameters with batch norm; with 3 channels and instance norm (CycleGAN) 2,764,737.
    """

    def __init__(self, shape: tuple[int, int, int], features: int, layers: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        require_patches(*shape[1:], layers)
        strides = [2] * layers + [1] if layers else [1, 1]
        kernel, padding = (4, 1) if layers else (1, 0)
        found: list[nn.Module] = []
        ins = shape[0]
        for number, stride in enumerate(strides):
            outs = features * min(1 << number, _WIDEST)
            normed = norm if number else "none"
            bias = not number or normed != "batch"
            found.append(nn.Conv2d(ins, outs, kernel, stride, padding, bias=bias))
            if (normalise := _NORMS[normed]) is not None:
                found.append(normalise(outs))
            found.append(nn.LeakyReLU(0.2, inplace=True))
            ins = outs
        self.body = nn.Sequential(*found, nn.Conv2d(ins, 1, kernel, 1, padding, bias=layers > 0 or norm != "batch"))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n y x"]:
        """Return one logit or score per patch of each image."""
        return self.body(images)[:, 0]


def receptive_field(layers: int) -> int:
    """Return the side of the patch, pixels, that one number of a `PatchGAN` of so many layers sees: 70 for 3."""
    if not layers:
        return 1
    side = 1
    for stride in [1, 1, *[2] * layers]:
        side = (side - 1) * stride + 4
    return side
