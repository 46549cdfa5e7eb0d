"""Terms that make a generator draw different images."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.losses.precision import at_least_fp32


def mode_seeking(latents: Float[Tensor, "n z"], images: Float[Tensor, n * shape]) -> Float[Tensor, ""]:
    """Return the distance of latents divided by that of their images: large if different latents give similar images.

    1 / (|G(z1) - G(z2)| / |z1 - z2| + 1e-5), mean absolute differences (Mao et al. 2019, arXiv:1903.05628, equation 4).
    Deviation: each latent is paired with the one before it in the batch instead of a second draw.
    """
    if len(latents) < 2:
        raise ValueError("mode seeking compares images: it needs a batch of at least two")
    images = at_least_fp32(images)
    apart = (images - images.roll(1, 0)).abs().flatten(1).mean(dim=1)
    asked = (latents - latents.roll(1, 0)).abs().flatten(1).mean(dim=1)
    return 1 / ((apart / asked).mean() + 1e-5)


def class_balance(logits: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    """Return log K - H(p), with p the mean class probabilities of a batch: 0 when all K classes are equally frequent.

    Categorical GANs maximise the same entropy H (Springenberg 2016, arXiv:1511.06390, equation 6). The mean is over a
    micro-batch. With fewer images than classes it can be uniform only if every prediction is uncertain, which is not
    the goal, so `System.smallest_batch` must ask for as many images as there are classes.
    """
    share = torch.softmax(at_least_fp32(logits), dim=1).mean(dim=0)
    return math.log(logits.shape[1]) + torch.special.xlogy(share, share).sum()
