"""Fully connected networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ganpipe.config.choices import Activation, Norm


def mlp(widths: Sequence[int], activation: Activation, norm: Norm = "none", leaky_slope: float = 0.01) -> nn.Sequential:
    """Linear layers of the given widths, input and output included, with an activation after each but the last.

    Batch norm stands before each activation and layer norm after it, as in the papers and books that use them.
    """
    layers: list[nn.Module] = []
    for i, (wide, wider) in enumerate(zip(widths, widths[1:], strict=False)):
        layers.append(nn.Linear(wide, wider))
        if i < len(widths) - 2:
            layers += [nn.BatchNorm1d(wider)] if norm == "batch" else []
            layers.append(_ACTIVATIONS[activation](leaky_slope))
            layers += [nn.LayerNorm(wider)] if norm == "layer" else []
    return nn.Sequential(*layers)


_ACTIVATIONS: Mapping[Activation, Callable[[float], nn.Module]] = {
    "gelu": lambda slope: nn.GELU(),
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": lambda slope: nn.Sigmoid(),
}


class ImageMLP(nn.Module):
    """An MLP whose output is an image, squashed into [-1, 1] by `squash`."""

    def __init__(self, body: nn.Sequential, shape: tuple[int, int, int], squash: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = body
        self.shape = shape
        self.squash = squash

    def forward(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c h w"]:
        """Draw one image per row of latents."""
        return self.squash(self.body(latents)).view(-1, *self.shape)


class ImageScorer(nn.Module):
    """An MLP that reads flattened images and returns one number for each: a logit or a critic's score."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Score each image."""
        return self.body(images.flatten(1)).squeeze(1)


def pixels(shape: tuple[int, int, int]) -> int:
    """Return the number of values in an image of this shape (channels, height, width)."""
    return math.prod(shape)
