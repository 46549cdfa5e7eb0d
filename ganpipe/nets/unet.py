"""U-Net, the generator of pix2pix (Isola et al. 2017, arXiv:1611.07004, section 6.1.1)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.config.choices import Upsampling
from ganpipe.nets.sizes import halved_to_one
from ganpipe.nets.upsampling import doubling

_WIDEST = 8  # times the first number of maps
_DROPPED = 3  # decoder layers with dropout


class UNet(nn.Module):
    """4x4 convolutions of stride 2 down to a single place, and back with the maps of every level beside, to [-1, 1].

    256x256 has 8 levels, 128x128 seven, 64x64 six and 32x32 five. LeakyReLU 0.2 on the way down, ReLU on the way up,
    batch norm everywhere but in the first layer, the single place and the image. `features` maps after the first
    layer, doubled from level to level up to eight times as many. Dropout 0.5 in the decoder layers of the widest kind,
    at most three, from the single place on: it is the only noise. With 64 features and 3 channels the one for 256x256
    has 54,413,955 parameters.

    Deviation from the authors' PyTorch code: dropout starts with the innermost decoder layer, as in the paper and the
    code in Lua; there it starts with the second. Raises `ConfigError` for sides that are not a power of 2.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        made: int,
        features: int,
        dropout: float = 0.5,
        upsampling: Upsampling = "transposed",
        dropout_when_drawing: bool = True,
        norm_when_drawing: Literal["picture", "average"] = "picture",
    ) -> None:
        super().__init__()
        self.dropout_when_drawing, self.norm_when_drawing = dropout_when_drawing, norm_when_drawing
        widths = [features * min(1 << level, _WIDEST) for level in range(halved_to_one(*shape[1:]))]
        ins, outs = [shape[0], *widths[:-1]], [made, *widths[:-1]]
        last = len(widths) - 1
        self.down = nn.ModuleList(
            _down(narrow, wide, normed=0 < level < last, first=level == 0)
            for level, (narrow, wide) in enumerate(zip(ins, widths, strict=True))
        )
        dropped = [level for level in range(last, 0, -1) if outs[level] == features * _WIDEST][:_DROPPED]
        self.up = nn.ModuleList(
            _up(wide * (1 if level == last else 2), narrow, level, dropout if level in dropped else 0.0, upsampling)
            for level, (wide, narrow) in enumerate(zip(widths, outs, strict=True))
        )

    def train(self, mode: bool = True) -> UNet:
        """Switch to training or evaluation mode; the latter as the two options for drawing say."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.Dropout):
                layer.train(mode or self.dropout_when_drawing)
            if isinstance(layer, _BatchNorm):
                layer.of_picture = not mode and self.norm_when_drawing == "picture"
        return self

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        """Translate each image. Those of another size than `shape` have sides that halve evenly on every level."""
        maps: list[Tensor] = []
        for layer in self.down:
            maps.append(layer(maps[-1] if maps else images))
        found = maps.pop()
        for layer in reversed(self.up):
            found = layer(found)
            if maps:
                found = torch.cat([maps.pop(), found], dim=1)
        return torch.tanh(found)


class _BatchNorm(nn.BatchNorm2d):
    """Batch norm that can also take each picture for a batch of its own."""

    of_picture = False

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        if self.of_picture:
            return F.instance_norm(maps, weight=self.weight, bias=self.bias, eps=self.eps)
        return super().forward(maps)


def _down(ins: int, outs: int, normed: bool, first: bool) -> nn.Sequential:
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    layers.append(nn.Conv2d(ins, outs, 4, 2, 1, bias=False))
    return nn.Sequential(*layers, *([_BatchNorm(outs)] if normed else []))


def _up(ins: int, outs: int, level: int, dropout: float, upsampling: Upsampling) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), doubling(ins, outs, 4, bias=level == 0, upsampling=upsampling)]
    layers += [] if level == 0 else [_BatchNorm(outs)]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))
