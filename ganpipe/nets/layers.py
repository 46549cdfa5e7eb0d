"""Layers that networks of several papers share."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class MinibatchStd(nn.Module):
    """Appends a map with the spread of the images in a group, so that a discriminator recognises a collapsed batch.

    Karras et al. 2018, arXiv:1710.10196, section 3: the standard deviation over the group, averaged over all features
    and places to one number. Deviation: if `group` does not divide the batch, the groups have the size of the
    largest smaller divisor. Images of a group are not neighbours but lie n / group apart, as in the authors' code.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_plus_1 h w"]:
        """Return the maps, followed by the added one."""
        n, _, height, width = maps.shape
        group = next(size for size in range(min(self.group, n), 0, -1) if n % size == 0)
        spread = maps.float().unflatten(0, (group, n // group)).var(dim=0, unbiased=False).add(1e-8).sqrt()
        numbers = spread.mean(dim=(1, 2, 3)).to(maps.dtype).repeat(group)
        return torch.cat([maps, numbers[:, None, None, None].expand(n, 1, height, width)], dim=1)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide the weight of every convolution and linear layer by its largest singular value, from now on.

    Miyato et al. 2018, arXiv:1802.05957, Algorithm 1: one step of power iteration per forward pass in training.
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)


def init_normal(module: nn.Module) -> None:
    """Initialise as pix2pix and CycleGAN do: weights N(0, 0.02), biases 0, batch norm scales N(1, 0.02).

    For `nn.Module.apply`. Isola et al. 2017, arXiv:1611.07004, section 6.2; Zhu et al. 2017, arXiv:1703.10593,
    appendix 7.1.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def signed_sigmoid(x: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """Return 2 sigmoid(x) - 1: a sigmoid on the [0, 1] pixel scale, moved to [-1, 1]."""
    return 2 * torch.sigmoid(x) - 1
