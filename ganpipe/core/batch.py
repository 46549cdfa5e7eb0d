"""Batches of training data, what is known about a data set before reading it, and the one pixel conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganpipe.config import Closed
from ganpipe.errors import ConfigError, TrainingDiverged

Batch = Mapping[str, Tensor]
"""Fields by role, all of equal length: `image` float NCHW in [-1, 1], `vector` float (N, D), `label` int64 (N,),
`attributes` float (N, K) of 0 and 1."""


class DataSpec(Closed):
    """What a system is told about its data when it is built; published with the generator."""

    name: str
    kind: Literal["image", "vector"]
    shape: tuple[int, ...]  # (channels, height, width) of an image, (length,) of a vector
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, ...; empty: unlabelled
    attributes: tuple[str, ...] = ()  # names of the yes/no attributes of each item

    def image_shape(self, system: str) -> tuple[int, int, int]:
        """Return (channels, height, width); raise `ConfigError` where `system` is asked to draw something else."""
        if self.kind != "image":
            raise ConfigError(
                f"system.name = {system!r} learns images, "
                f"but data.name = {self.name!r} holds vectors of {self.shape[0]} numbers"
            )
        channels, height, width = self.shape
        return channels, height, width

    def vector_length(self, system: str) -> int:
        """Return the length of a vector; raise `ConfigError` where `system` is asked to draw images."""
        if self.kind != "vector":
            raise ConfigError(
                f"system.name = {system!r} learns vectors, but data.name = {self.name!r} holds images of {self.shape}"
            )
        return self.shape[0]


def batch_size(batch: Batch) -> int:
    """Return the number of items in a batch."""
    return len(next(iter(batch.values())))


def pieces(batch: Batch, at_most: int | None) -> list[Batch]:
    """Cut a batch into as few micro-batches as `at_most` items allow, of even size; None: leave it whole."""
    if at_most is None or batch_size(batch) <= at_most:
        return [batch]
    count = -(-batch_size(batch) // at_most)
    cut = {role: values.tensor_split(count) for role, values in batch.items()}
    return [{role: parts[i] for role, parts in cut.items()} for i in range(count)]


def to_float(pixels: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """Convert stored pixels 0..255 (NHWC) to network images in [-1, 1] (NCHW)."""
    n, height, width, channels = pixels.shape
    images = torch.empty((n, channels, height, width), dtype=torch.float32, device=pixels.device)
    return images.copy_(pixels.permute(0, 3, 1, 2)).div_(127.5).sub_(1)  # one allocation: five times as fast


def to_uint8(images: Float[Tensor, "n c h w"]) -> UInt8[Tensor, "n h w c"]:
    """Quantise network images in [-1, 1] (NCHW) to pixels 0..255 (NHWC), rounding to nearest, clamping the rest.

    The inverse of `to_float` for all 256 levels. Raises `TrainingDiverged` for non-finite pixels, which a cast
    would silently turn into black.
    """
    bad = int((~torch.isfinite(images)).flatten(1).any(dim=1).sum())
    if bad:
        raise TrainingDiverged(
            f"{bad} of {len(images)} generated images hold non-finite pixels", "train again with a lower train.lr"
        )
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
