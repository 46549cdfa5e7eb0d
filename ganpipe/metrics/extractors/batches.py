"""Pretrained networks as extractors: they look at colour images in small batches, in float32 on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from ganpipe.metrics.checks import check_image_array
from ganpipe.metrics.extractors.interface import Extracted, OnProgress

Forward = Callable[[UInt8[Tensor, "n 3 h w"]], tuple[Float[Tensor, "n d"], Float[Tensor, "n classes"] | None]]
"""From pixels, channels last in memory, to features and the logits of the classes, if there are any."""


def extract_in_batches(
    forward: Forward, images: UInt8[np.ndarray, "n h w c"], batch: int, name: str, on_progress: OnProgress | None = None
) -> Extracted:
    """Return float64 features and class probabilities of grey or colour images; grey ones are repeated to 3 channels.

    Raises `MetricError` naming the extractor `name` for input that is not a set of images.
    """
    check_image_array(images, name)
    features, probabilities = [], []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            pixels = torch.tensor(as_colour(images[start : start + batch])).permute(0, 3, 1, 2)
            found, logits = forward(pixels)
            features.append(found.double().numpy())
            if logits is not None:
                probabilities.append(logits.double().softmax(dim=1).numpy())
            if on_progress is not None:
                on_progress(min(start + batch, len(images)), len(images))
    return Extracted(np.concatenate(features), np.concatenate(probabilities) if probabilities else None)


def as_colour(images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Return images of three channels; those of one are repeated."""
    return images if images.shape[3] == 3 else np.repeat(images, 3, axis=3)


def resized(pixels: UInt8[Tensor, "n 3 h w"], side: int) -> Float[Tensor, "n 3 side side"]:
    """Resize the whole image to a square of `side` pixels: bicubic, antialiased, in float, not rounded or clipped."""
    return interpolate(pixels.float(), size=(side, side), mode="bicubic", align_corners=False, antialias=True)
