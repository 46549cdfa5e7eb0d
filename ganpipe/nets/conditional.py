"""Discriminators that judge an image together with a condition: a row of numbers, such as a one-hot label.

Each has two parts: `features` maps images to features, and `judge` compares the features with conditions. So the same
features can be judged under several conditions at little cost.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.nets import dcgan, mlp

Images = Float[Tensor, "n c h w"]
Conditions = Float[Tensor, "n k"]
Features = Float[Tensor, "n width"]

SLOPE = 0.02  # of the fully connected networks' LeakyReLU


class JointMLP(nn.Module):
    """An MLP on the flattened image, then the condition (Mirza & Osindero 2014, arXiv:1411.1784, figure 1)."""

    def __init__(self, shape: tuple[int, int, int], conditions: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.body = book_mlp((mlp.pixels(shape) + conditions, *widths, 1))

    def features(self, images: Images) -> Images:
        """Return the images as they are: they are read together with the condition."""
        return images

    def judge(self, images: Images, conditions: Conditions) -> Float[Tensor, "n 1"]:
        """Return one logit: a real image of this condition or not."""
        return self.body(torch.cat([images.flatten(1), conditions], dim=1))


class JointConv(nn.Module):
    """DCGAN's discriminator on the channels of the image and one constant map per number of the condition."""

    def __init__(self, shape: tuple[int, int, int], conditions: int, features: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.body = dcgan.Discriminator((channels + conditions, height, width), features).apply(dcgan.init_dcgan)

    def features(self, images: Images) -> Images:
        """Return the images as they are: they are read together with the condition."""
        return images

    def judge(self, images: Images, conditions: Conditions) -> Float[Tensor, "n 1"]:
        """Return one logit: a real image of this condition or not."""
        maps = conditions[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.body.outputs(torch.cat([images, maps], dim=1))


class TrunkMLP(nn.Module):
    """An MLP from flattened images to `widths[-1]` features."""

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.body = book_mlp((mlp.pixels(shape), *widths))
        self.width = widths[-1]

    def forward(self, images: Images) -> Features:
        """Read each image."""
        return F.leaky_relu(self.body(images.flatten(1)), SLOPE)


class TrunkConv(nn.Module):
    """DCGAN's discriminator with features instead of one score: twice the number of its last maps."""

    def __init__(self, shape: tuple[int, int, int], features: int) -> None:
        super().__init__()
        self.width = features << dcgan.halvings(*shape[1:])
        self.body = dcgan.Discriminator(shape, features, outputs=self.width).apply(dcgan.init_dcgan)

    def forward(self, images: Images) -> Features:
        """Read each image."""
        return F.leaky_relu(self.body.outputs(images), 0.2)


class Projection(nn.Module):
    """psi(phi(x)) + embed(y) . phi(x) (Miyato & Koyama 2018, arXiv:1802.05637, equation 3 and figure 1d)."""

    def __init__(self, trunk: TrunkMLP | TrunkConv, conditions: int) -> None:
        super().__init__()
        self.features = trunk  # phi
        self.head = ProjectionHead(trunk.width, conditions)

    def judge(self, features: Features, conditions: Conditions) -> Float[Tensor, "n 1"]:
        """Return one logit: a real image of this condition or not."""
        return self.head(features, conditions)


class Heads(nn.Module):
    """Two verdicts on the features of one trunk: on the image alone, and on image and condition together."""

    def __init__(self, trunk: TrunkMLP | TrunkConv, conditions: int) -> None:
        super().__init__()
        self.features = trunk
        self.quality = nn.Linear(trunk.width, 1)
        self.match = ProjectionHead(trunk.width, conditions)

    def judge(self, features: Features, conditions: Conditions) -> Float[Tensor, "n 2"]:
        """Return two logits per image: real whatever the condition (quality), and real under this condition (match)."""
        return torch.cat([self.quality(features), self.match(features, conditions)], dim=1)


class ProjectionHead(nn.Module):
    """One number from features and a condition: linear in the features, with weights that depend on the condition."""

    def __init__(self, width: int, conditions: int) -> None:
        super().__init__()
        self.psi = nn.Linear(width, 1)
        self.embed = nn.Linear(conditions, width, bias=False)  # of a one-hot label: one row per class

    def forward(self, features: Features, conditions: Conditions) -> Float[Tensor, "n 1"]:
        """Return psi(features) + embed(conditions) . features."""
        return self.psi(features) + (self.embed(conditions) * features).sum(dim=1, keepdim=True)


Discriminator = JointMLP | JointConv | Projection | Heads


def book_mlp(widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with LeakyReLU 0.02 and layer norm between (Rashid, "Make Your First GAN with PyTorch", 2020)."""
    return mlp.mlp(widths, "leaky_relu", "layer", SLOPE)


def book_generator(latent: int, shape: tuple[int, int, int], widths: tuple[int, ...]) -> mlp.ImageMLP:
    """The book's fully connected generator. Its sigmoid on the [0, 1] pixel scale is tanh(x / 2) on [-1, 1]."""
    return mlp.ImageMLP(book_mlp((latent, *widths, mlp.pixels(shape))), shape, lambda x: torch.tanh(x / 2))
