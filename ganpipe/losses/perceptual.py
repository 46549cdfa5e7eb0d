"""Distances of images by the features of a frozen network, after Gatys, Johnson, Ledig and Wang.

Pure functions of maps (n, channels, height, width). Distances are divided by the mean square of the wanted features: 1
is the distance of features that are all zero, whatever the network and the layer. So a weight means the same for all.
Nothing is differentiated with respect to what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.losses.precision import at_least_fp32

Features = Mapping[str, Float[Tensor, "_n _c _h _w"]]
"""Maps by the names of layers, as `ganpipe.nets.vgg.VGG` returns them: convN_M before the activation, reluN_M after."""

_SMALLEST = 1e-12  # mean square, so that features that are all zero are at a finite distance


def feature_distance(made: Features, wanted: Features) -> Float[Tensor, ""]:
    """Return the mean over the layers of the mean of (f(made) - f(wanted))^2 / the mean of f(wanted)^2.

    Johnson et al. 2016, arXiv:1603.08155, equation 2; Ledig et al. 2017, arXiv:1609.04802, equation 5. Deviation: the
    division, see above. Both means run over the batch, so that an even patch does not outweigh one that holds much.
    """
    return torch.stack([_relative(made[layer], wanted[layer]) for layer in wanted]).mean()


def gram(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c c"]:
    """Return the Gram matrix of each image: sum over places of f_i f_j, divided by channels, height and width.

    Gatys et al. 2015, arXiv:1508.06576, equation 3; divided as in Johnson et al. 2016, section 3.2. Images are never
    mixed, unlike in articles that reshape the whole batch to (n c, h w).
    """
    _, channels, height, width = maps.shape
    flat = at_least_fp32(maps).flatten(2)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def gram_distance(made: Features, wanted: Features) -> Float[Tensor, ""]:
    """Return the mean over the layers of the mean of (G(made) - A)^2 / the mean of A^2, A the mean of G(wanted).

    Gatys et al. 2015, equations 4 and 5 with equal weights of the layers. Deviations: the division, see above; `wanted`
    may hold several images of one style, of any size, whose mean Gram matrix counts.
    """
    style = {layer: gram(maps).mean(dim=0, keepdim=True) for layer, maps in wanted.items()}
    return torch.stack([_relative(gram(made[layer]), matrix) for layer, matrix in style.items()]).mean()


def total_variation(images: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Return the mean absolute difference of neighbours below plus that of neighbours at the right.

    Mahendran & Vedaldi 2015, arXiv:1412.0035, equation 5 with beta = 1. Deviation: the sum of both absolute values, not
    the length of the slope.
    """
    values = at_least_fp32(images)
    return values.diff(dim=2).abs().mean() + values.diff(dim=3).abs().mean()


def _relative(made: Tensor, wanted: Tensor) -> Float[Tensor, ""]:
    made, wanted = at_least_fp32(made), at_least_fp32(wanted).detach()
    return (made - wanted).square().mean() / wanted.square().mean().clamp_min(_SMALLEST)
