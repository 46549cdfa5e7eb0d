"""The convolutional face GAN of Rashid, "Make Your First GAN with PyTorch", 2020, notebooks 14 and 15 (GELU)."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets.layers import signed_sigmoid
from ganpipe.nets.sizes import start_of


def leaky_relu() -> nn.Module:
    """Return the activation of notebook 14."""
    return nn.LeakyReLU(0.2)


class Generator(nn.Module):
    """A fully connected start and three transposed 8x8 convolutions of stride 2, to an image in [-1, 1].

    At 128x128x3, latent 100 and 256 features: 100 -> 3x11x11 -> 256x28x28 -> 256x62x62 -> 3x128x128, with the
    4,330,816 parameters of the book. Batch norm before the activations between convolutions and before the final
    sigmoid. Deviation: the sigmoid is moved to [-1, 1].
    """

    def __init__(
        self, latent: int, shape: tuple[int, int, int], features: int, activation: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        channels, height, width = shape
        start = (channels, start_of(height), start_of(width))
        self.start = nn.Sequential(nn.Linear(latent, start[0] * start[1] * start[2]), activation())
        self.layers = nn.Sequential(
            nn.Unflatten(1, start),
            nn.ConvTranspose2d(channels, features, 8, 2),
            nn.BatchNorm2d(features),
            activation(),
            nn.ConvTranspose2d(features, features, 8, 2),
            nn.BatchNorm2d(features),
            activation(),
            nn.ConvTranspose2d(features, channels, 8, 2, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c h w"]:
        """Draw one image per row of latents."""
        return signed_sigmoid(self.layers(self.start(latents)))


class Discriminator(nn.Module):
    """Three 8x8 convolutions of stride 2 and a fully connected end: 128 -> 61 -> 27 -> 10 -> one logit.

    4,294,448 parameters at 128x128x3 and 256 features. Batch norm after the first two convolutions. Deviations: no
    sigmoid, the loss works on logits; with `outputs` > 1, further numbers follow the logit.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: int,
        activation: Callable[[], nn.Module],
        batch_norm: bool = True,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for narrow, wide in ((channels, features), (features, features)):
            layers.append(nn.Conv2d(narrow, wide, 8, 2))
            layers += [nn.BatchNorm2d(wide)] if batch_norm else []
            layers.append(activation())
        layers += [nn.Conv2d(features, channels, 8, 2), activation()]
        for _ in range(3):
            height, width = (height - 8) // 2 + 1, (width - 8) // 2 + 1
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, outputs))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.outputs(images)[:, 0]

    def outputs(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n outputs"]:
        """Return the score of each image, followed by the further outputs."""
        return self.layers(images)
