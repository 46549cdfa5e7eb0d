"""The convolutional networks of the authors of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028), for MNIST and CIFAR.

The facts are those of their code, igul222/improved_wgan_training: gan_mnist.py and gan_cifar.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.sizes import levels


class Generator(nn.Module):
    """A fully connected start and transposed 5x5 convolutions of stride 2, from a latent to an image in [-1, 1].

    A map that comes out a row or column too large is cropped: 4 -> 8, cropped to 7 -> 14 -> 28. Channels are halved
    at each level, down to `features` before the image. ReLU, with batch norm before it if `batch_norm`; `squash` is the
    last step. At 28x28x1, latent 128 and 64 features without batch norm: 1,554,177 parameters; at 32x32x3 and 128
    features with it: 5,179,907. Deviation: TensorFlow pads 1 before and 2 after, here 2 before and 1 after.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        features: int,
        batch_norm: bool,
        squash: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        channels, height, width = shape
        self.sizes = levels(height, width)[::-1]
        widths = [features << k for k in range(len(self.sizes) - 2, -1, -1)]
        self.maps = (widths[0], *self.sizes[0])
        units = math.prod(self.maps)
        norm = [nn.BatchNorm1d(units)] if batch_norm else []
        self.start = nn.Sequential(nn.Linear(latent, units), *norm, nn.ReLU(inplace=True))
        self.grow = nn.ModuleList()
        for wide, narrow in zip(widths, widths[1:], strict=False):
            norm2d = [nn.BatchNorm2d(narrow)] if batch_norm else []
            self.grow.append(nn.Sequential(_doubling(wide, narrow), *norm2d, nn.ReLU(inplace=True)))
        self.grow.append(_doubling(features, channels))
        self.squash = squash
        self.apply(init_wgan_gp)

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c h w"]:
        """Draw one image per row of latents."""
        maps = self.start(latents).unflatten(1, self.maps)
        for layer, (height, width) in zip(self.grow, self.sizes[1:], strict=True):
            maps = layer(maps)[:, :, :height, :width]  # cropped after norm and ReLU, as the authors do
        return self.squash(maps)


class Critic(nn.Module):
    """5x5 convolutions of stride 2 and a fully connected end, from an image to one unbounded score.

    LeakyReLU 0.2 and no batch norm: the gradient penalty holds per image. At 28x28x1 and 64 features, 64-128-256
    channels and 1,030,145 parameters; at 32x32x3 and 128 features 4,114,689.
    """

    def __init__(self, shape: tuple[int, int, int], features: int) -> None:
        super().__init__()
        channels, height, width = shape
        sizes = levels(height, width)
        widths = [channels, *(features << k for k in range(len(sizes) - 1))]
        layers: list[nn.Module] = []
        for narrow, wide in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(narrow, wide, 5, 2, padding=2), nn.LeakyReLU(0.2, inplace=True)]
        end = nn.Linear(widths[-1] * math.prod(sizes[-1]), 1)
        self.layers = nn.Sequential(*layers, nn.Flatten(), end)
        self.apply(init_wgan_gp)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.layers(images)[:, 0]


def init_wgan_gp(module: nn.Module) -> None:
    """Initialise as the authors do: uniform, standard deviation sqrt(4 / (fan in + fan out)), linear sqrt(2 / ...).

    Biases are zero. For `nn.Module.apply`.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        init_convolution(module, 4.0)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def init_convolution(layer: nn.Conv2d | nn.ConvTranspose2d, gain: float) -> None:
    """Draw weights uniform with variance gain / (fan in + fan out) and make biases zero; gain 4 (He), 2 (Glorot).

    With stride s, a value of the finer map meets only k^2 / s^2 weights of each channel of the coarser map.
    """
    coarser, finer, kernel, _ = layer.weight.shape  # in both kinds of layers
    fans = kernel**2 * (finer + coarser / layer.stride[0] ** 2)
    bound = math.sqrt(3 * gain / fans)
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _doubling(wide: int, narrow: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(wide, narrow, 5, 2, padding=2, output_padding=1)
