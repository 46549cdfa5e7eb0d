"""A frozen VGG network whose features tell how alike two images look (Simonyan & Zisserman 2014, arXiv:1409.1556)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.errors import ConfigError
from ganpipe.nets.vgg_layouts import Layout


@dataclass(frozen=True)
class Trunk:
    """A VGG network with weights."""

    name: str
    layout: Layout
    conv: Callable[[str], tuple[Tensor, Tensor]]  # name of a convolution -> kernel (out, in, 3, 3) and bias (out)


class VGG(nn.Module):
    """Features of images in [-1, 1], RGB or grey, by the names of layers. For `System.frozen`.

    Only what the deepest of `layers` needs is built and computed. convN_M is before the ReLU, reluN_M after it. The
    weights are never trained; gradients pass through them to the images. What the network expects of its input is part
    of the state, and so of `System.frozen_sha256`. `pool` = average smooths the gradients (Gatys et al. 2015,
    arXiv:1508.06576). Raises `ConfigError` for a layer that the trunk does not have.
    """

    order: Tensor
    full: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, trunk: Trunk, layers: Sequence[str], pool: Literal["max", "average"] = "max") -> None:
        super().__init__()
        known = trunk.layout.layers
        if unknown := [layer for layer in layers if layer not in known]:
            raise ConfigError(f"the trunk {trunk.name} has no layer {unknown[0]!r}; it has {', '.join(known)}")
        if not layers:
            raise ConfigError(f"the trunk {trunk.name} needs one layer or more, of {', '.join(known)}")
        self.layers = tuple(layers)
        self.steps = known[: 1 + max(map(known.index, layers))]
        self.pool, self.ceil, self.smallest = pool, trunk.layout.ceil, trunk.layout.smallest_side(layers)
        self.convs = nn.ModuleDict({name: _conv(trunk, name) for name in self.steps if name.startswith("conv")})
        preparation = trunk.layout.preparation
        self.register_buffer("order", torch.tensor([0, 1, 2] if preparation.channels == "rgb" else [2, 1, 0]))
        self.register_buffer("full", torch.tensor(preparation.full))
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(preparation, name))[:, None, None])
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return the features (n, channels, height, width) of every layer asked for.

        Raises `ConfigError` for images of other than 1 or 3 channels, and for images too small for the deepest layer.
        """
        maps, found = self.prepared(images), {}
        for name in self.steps:
            maps = self._step(name, maps)
            if name in self.layers:
                found[name] = maps
        return found

    def prepared(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
        """Return images as the network was trained to see them: order of channels, range, mean, deviation."""
        _, channels, height, width = images.shape
        if channels not in (1, 3):
            raise ConfigError(f"VGG looks at images of 1 or 3 channels, not {channels}")
        if min(height, width) < self.smallest:
            raise ConfigError(
                f"images of {height}x{width} are too small for {self.steps[-1]}: {self.smallest} pixels are needed"
            )
        pixels = (images.to(self.mean.dtype).expand(-1, 3, -1, -1) + 1) * (self.full / 2)
        return (pixels[:, self.order] - self.mean) / self.std

    def _step(self, name: str, maps: Tensor) -> Tensor:
        if name.startswith("conv"):
            return self.convs[name](maps)
        if name.startswith("relu"):
            return F.relu(maps)  # not in place: the maps before it may be asked for too
        pool = F.max_pool2d if self.pool == "max" else F.avg_pool2d
        return pool(maps, 2, 2, ceil_mode=self.ceil)


def _conv(trunk: Trunk, name: str) -> nn.Conv2d:
    """Build a convolution without drawing first weights: torch's random numbers stay where they are."""
    conv = nn.utils.skip_init(nn.Conv2d, *trunk.layout.channels(name), kernel_size=3, padding=1)
    weight, bias = trunk.conv(name)
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv
