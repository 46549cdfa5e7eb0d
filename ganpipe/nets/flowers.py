"""The networks of MathWorks' example "Train Generative Adversarial Network (GAN)", made for flowers of 64x64."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.dcgan import DenseStart
from ganpipe.nets.sizes import halvings


class Generator(nn.Module):
    """Project and reshape, then transposed 5x5 convolutions of stride 2 from a latent to an image in [-1, 1].

    At 64x64x3, latent 100 and 64 features: 100 -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> 64x64x3, with the
    5,134,339 parameters of the example. Batch norm and ReLU after all layers but the first and last, tanh at the end.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], features: int) -> None:
        super().__init__()
        channels, height, width = shape
        times = halvings(height, width)
        widths = [features << k for k in range(times - 1, -1, -1)]
        layers: list[nn.Module] = [DenseStart(latent, (widths[0], height >> times, width >> times))]
        for wide, narrow in zip(widths, [*widths[1:], channels], strict=True):
            layers.append(nn.ConvTranspose2d(wide, narrow, 5, 2, padding=2, output_padding=1))
            layers += [nn.BatchNorm2d(narrow), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers[:-2], nn.Tanh())

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c h w"]:
        """Draw one image per row of latents."""
        return self.layers(latents[:, :, None, None])


class Discriminator(nn.Module):
    """Half of the pixels dropped, then 5x5 convolutions of stride 2 to one logit: 4,316,545 parameters at 64x64x3.

    LeakyReLU 0.2, batch norm from the second convolution on. With `outputs` > 1, further numbers follow the logit.
    """

    def __init__(self, shape: tuple[int, int, int], features: int, batch_norm: bool = True, outputs: int = 1) -> None:
        super().__init__()
        channels, height, width = shape
        times = halvings(height, width)
        widths = [features << k for k in range(times)]
        layers: list[nn.Module] = [nn.Dropout(0.5)]
        for k, (narrow, wide) in enumerate(zip([channels, *widths], widths, strict=False)):
            layers.append(nn.Conv2d(narrow, wide, 5, 2, padding=2))
            layers += [nn.BatchNorm2d(wide)] if batch_norm and k else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Conv2d(widths[-1], outputs, (height >> times, width >> times)))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.outputs(images)[:, 0]

    def outputs(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n outputs"]:
        """Return the score of each image, followed by the further outputs."""
        return self.layers(images).flatten(1)
