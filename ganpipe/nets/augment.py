"""Differentiable augmentation of the images that a discriminator sees (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganpipe.config.choices import Policy

Images = Float[Tensor, "n c h w"]

SHIFT = 0.125  # of the side, at most
HOLE = 0.5  # of the side


def diff_augment(images: Images, policies: Sequence[Policy]) -> Images:
    """Apply all policies in turn to images in [-1, 1], with random numbers of its own for each image. Gradients flow.

    Reals and fakes must both be augmented, or the generator learns the augmentation. Strengths are the paper's.
    """
    for policy in policies:
        images = _POLICIES[policy](images)
    return images


def color(images: Images) -> Images:
    """Shift brightness by up to 0.5, scale saturation by up to 2 and contrast between 0.5 and 1.5."""
    images = images + _uniform(images) - 0.5
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * _uniform(images)) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images) + 0.5) + mean


def translation(images: Images) -> Images:
    """Move each image by up to an eighth of its sides and fill with zeros."""
    n, _, height, width = images.shape
    down, right = round(height * SHIFT), round(width * SHIFT)
    padded = F.pad(images, (right, right, down, down))
    rows = _integers(images, 2 * down + 1) + torch.arange(height, device=images.device)
    columns = _integers(images, 2 * right + 1) + torch.arange(width, device=images.device)
    places = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[places, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Images) -> Images:
    """Set a rectangle of half the height and half the width to zero. Its centre may lie anywhere in the image."""
    _, _, height, width = images.shape
    rows, columns = _cut(images, height), _cut(images, width)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _cut(images: Images, side: int) -> Tensor:
    """Return a mask (n, side): the places along a side that lie in a hole around a random centre."""
    hole = round(side * HOLE)
    start = _integers(images, side + (1 - hole % 2)) - hole // 2
    places = torch.arange(side, device=images.device)
    return (places >= start) & (places < start + hole)


def _uniform(images: Images) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)


def _integers(images: Images, count: int) -> Tensor:
    return torch.randint(count, (len(images), 1), device=images.device)


_POLICIES: Mapping[Policy, Callable[[Images], Images]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}
