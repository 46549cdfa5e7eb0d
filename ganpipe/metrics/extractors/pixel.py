"""The `pixel` extractor: pixels as features. For smoke tests; it sees brightness and place, not content."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch.nn.functional import adaptive_avg_pool2d

from ganpipe.metrics.checks import check_image_array
from ganpipe.metrics.extractors.interface import Extracted, OnProgress

MOST = 1024
"""Most numbers per image."""
_CHUNK = 512


class PixelExtractor:
    """Pixels in [0, 1], averaged over the smallest square blocks that leave at most `MOST` numbers, flattened."""

    identity = f"pixel{MOST}"

    def extract(self, images: UInt8[np.ndarray, "n h w c"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return float64 features (N, d), d <= 1024, no probabilities. Raises `MetricError` for other input."""
        check_image_array(images, "pixel")
        parts = []
        for start in range(0, len(images), _CHUNK):
            parts.append(_averaged(images[start : start + _CHUNK]))
            if on_progress is not None:
                on_progress(min(start + _CHUNK, len(images)), len(images))
        return Extracted(np.concatenate(parts))


def _averaged(images: UInt8[np.ndarray, "n h w c"]) -> Float64[np.ndarray, "n d"]:
    pixels = torch.tensor(images).permute(0, 3, 1, 2).double() / 255
    return adaptive_avg_pool2d(pixels, _grid(images.shape[1:])).flatten(1).numpy()


def _grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the height and width to average down to, for images of (height, width, channels)."""
    height, width, channels = shape
    block = 1
    while -(-height // block) * -(-width // block) * channels > MOST:
        block += 1
    return -(-height // block), -(-width // block)
