"""Batches of data, and the conversion between their stored form and their network form."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from ganpipe.core.spec import Kind
from ganpipe.errors import TrainingDiverged

Batch = Mapping[str, Tensor]
"""Values by name, one row per item, all of equal length. The network form of a field, by its kind:

image: float32 (n, channels, height, width) in [-1, 1]. vector: float32 (n, length). label: int64 (n,).
attributes: float32 (n, count) of 0 and 1. sequence: float32 (n, steps, columns). tokens: int64 (n, length).
text: float32 (n, tokens, numbers), all 0 where a text has no token. row: int64 (n,).
"""


def batch_size(batch: Batch) -> int:
    """Return the number of items in a batch."""
    return len(next(iter(batch.values())))


def micro_batches(batch: Batch, at_most: int | None) -> list[Batch]:
    """Cut a batch into the fewest parts of at most `at_most` items; their sizes differ by at most 1. None: no cut."""
    if at_most is None or batch_size(batch) <= at_most:
        return [batch]
    count = -(-batch_size(batch) // at_most)
    cut = {name: values.tensor_split(count) for name, values in batch.items()}
    return [{name: parts[i] for name, parts in cut.items()} for i in range(count)]


def to_network(kind: Kind, stored: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """Convert stored values of a kind to network form, see `Batch`. They stay on their device.

    For a text the values are what its encoder says, float16 (n, tokens, numbers), see `Packed.stored`.
    """
    match kind:
        case "image":
            return to_float(stored)
        case "vector" | "sequence" | "attributes" | "text":
            return stored.float()
        case "label" | "tokens" | "row":
            return stored.long()


def to_stored(kind: Kind, values: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """Convert values from network form to stored form, the inverse of `to_network`.

    Images become uint8 (n, height, width, channels), vectors and sequences float32, attributes uint8 (1 from 0.5 on),
    tokens int32, texts float16, labels and rows int64. Raises `TrainingDiverged` for numbers that are not finite.
    """
    match kind:
        case "image":
            return to_uint8(values)
        case "vector" | "sequence":
            _require_finite(values)
            return values.float()
        case "attributes":
            _require_finite(values)
            return (values >= 0.5).to(torch.uint8)
        case "tokens":
            return values.int()
        case "text":
            _require_finite(values)
            return values.half()
        case "label" | "row":
            return values.long()


def to_float(pixels: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """Convert stored pixels 0..255 (NHWC) to network images in [-1, 1] (NCHW)."""
    n, height, width, channels = pixels.shape
    images = torch.empty((n, channels, height, width), dtype=torch.float32, device=pixels.device)
    return images.copy_(pixels.permute(0, 3, 1, 2)).div_(127.5).sub_(1)  # one allocation: five times as fast


def to_uint8(images: Float[Tensor, "n c h w"]) -> UInt8[Tensor, "n h w c"]:
    """Quantise network images in [-1, 1] (NCHW) to pixels 0..255 (NHWC).

    Values are rounded to the nearest level and clamped at the ends. This is the inverse of `to_float` for all 256
    levels. Raises `TrainingDiverged` for non-finite pixels: a cast would silently make them black.
    """
    bad = int((~torch.isfinite(images)).flatten(1).any(dim=1).sum())
    if bad:
        raise TrainingDiverged(
            f"{bad} of {len(images)} generated images hold non-finite pixels", "train again with a lower train.lr"
        )
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _require_finite(values: Tensor) -> None:
    if not torch.isfinite(values).all():
        raise TrainingDiverged("the generator returns non-finite numbers", "train again with a lower train.lr")
