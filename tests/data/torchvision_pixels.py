"""What torchvision's transforms make of an image."""

from __future__ import annotations

import numpy as np
from PIL import Image


def torchvision_pixels(image: Image.Image, crop: int | None, size: int | None, whole: bool = False) -> np.ndarray:
    """Cut out the square of `crop` pixels in the middle, let the shorter side be `size`, and cut, unless `whole`."""
    from torchvision.transforms import CenterCrop, Compose, Resize  # takes long

    steps = [CenterCrop(crop)] if crop else []
    if size:
        steps += [Resize(size)] if whole else [Resize(size), CenterCrop(size)]
    return np.asarray(Compose(steps)(image))
