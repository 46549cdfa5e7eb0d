"""The convolutional networks of DCGAN (Radford et al. 2016, arXiv:1511.06434). Sides must halve evenly to 4..7."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.layers import MinibatchStd
from ganpipe.nets.sizes import halvings


class Generator(nn.Module):
    """Transposed convolutions from a latent vector to an image in [-1, 1].

    The latent is spread to the coarsest grid, then each 4x4 convolution of stride 2 doubles the side and halves the
    channels, down to `features` before the image. Batch norm and ReLU between, tanh at the end. At 64x64x3, latent 100
    and 64 features it has the 3,576,704 parameters of the paper's authors.

    With `dense_start` the latent is spread by a fully connected layer, as the paper's figure 1 draws it: with 128
    features, 100 -> 4x4x1024. With `hidden` another one of so many units lies before it, with batch norm and ReLU, as
    in the networks for MNIST of InfoGAN (Chen et al. 2016, arXiv:1606.03657, table 1).
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, int, int],
        features: int,
        dense_start: bool = False,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        times = halvings(height, width)
        widths = [features << k for k in range(times - 1, -1, -1)]
        coarsest = (height >> times, width >> times)
        spread: nn.Module = nn.ConvTranspose2d(latent, widths[0], coarsest, bias=False)
        dense = dense_start or hidden is not None
        layers: list[nn.Module] = [DenseStart(latent, (widths[0], *coarsest), hidden) if dense else spread]
        for wide, narrow in zip(widths, widths[1:], strict=False):
            layers += [
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False),
            ]
        layers += [
            nn.BatchNorm2d(features),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(features, channels, 4, 2, 1, bias=False),
        ]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c h w"]:
        """Draw one image per row of latents."""
        return self.layers(latents[:, :, None, None])


class DenseStart(nn.Module):
    """One fully connected layer, or two, from a latent to the coarsest maps, (channels, height, width)."""

    def __init__(self, latent: int, maps: tuple[int, int, int], hidden: int | None = None) -> None:
        super().__init__()
        before = [] if hidden is None else [nn.Linear(latent, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
        self.hidden = nn.Sequential(*before)
        self.linear = nn.Linear(hidden or latent, math.prod(maps))
        self.maps = maps

    def forward(self, latents: Float[Tensor, "n z 1 1"]) -> Float[Tensor, "n c h w"]:
        """Spread each row of latents."""
        return self.linear(self.hidden(latents.flatten(1))).unflatten(1, self.maps)


class Discriminator(nn.Module):
    """The generator's mirror: 4x4 convolutions of stride 2 from an image to one logit or score.

    LeakyReLU 0.2, batch norm from the second convolution on. A WGAN-GP critic sets `batch_norm` to False, because
    its penalty is defined per image. At 64x64x3 and 64 features it has the authors' 2,765,568 parameters.

    With `outputs` > 1, further numbers follow the score, for example one logit per class. `minibatch_std` is the size
    of the groups that a `MinibatchStd` before the last layer compares; None: without that layer. With `hidden` a fully
    connected layer of so many units with a LeakyReLU lies before the last one, so that the whole image decides, as in
    the networks for MNIST of InfoGAN.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int,
        batch_norm: bool = True,
        outputs: int = 1,
        minibatch_std: int | None = None,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        times = halvings(height, width)
        layers: list[nn.Module] = [nn.Conv2d(channels, features, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for k in range(times - 1):
            layers.append(nn.Conv2d(features << k, features << (k + 1), 4, 2, 1, bias=not batch_norm))
            layers += [nn.BatchNorm2d(features << (k + 1))] if batch_norm else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        maps = features << (times - 1)
        if minibatch_std is not None:
            layers.append(MinibatchStd(minibatch_std))
            maps += 1
        coarsest = (height >> times, width >> times)
        if hidden is None:
            layers.append(nn.Conv2d(maps, outputs, coarsest, bias=False))
        else:
            dense = nn.Linear(maps * math.prod(coarsest), hidden)
            layers += [nn.Flatten(), dense, nn.LeakyReLU(0.2, inplace=True), nn.Linear(hidden, outputs, bias=False)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.outputs(images)[:, 0]

    def outputs(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n outputs"]:
        """Return the score of each image, followed by the further outputs."""
        return self.layers(images).flatten(1)


def init_dcgan(module: nn.Module) -> None:
    """Initialise as the paper does: weights N(0, 0.02), batch norm scales N(1, 0.02). For `nn.Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
