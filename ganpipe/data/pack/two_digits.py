"""Digits of two origins, as pictures to be resized: those of MNIST without their margin, and those of UCI."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ganpipe.data.catalogue.dataset import Dataset, TwoDigits
from ganpipe.data.pack.items import Item, split_at
from ganpipe.data.pack.tables import expanded, parse_rows

_MARGIN = 4  # pixels of MNIST on each side that no digit reaches into
_LEVELS = 16  # of UCI: 0 to 16
_EVERY = 10  # rows of each, one is for the test


def digits_of_both(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the digits of MNIST as the field a and those of UCI as b, in published order, every tenth for the test."""
    layout = dataset.layout
    assert isinstance(layout, TwoDigits)
    mnist, labels = parse_rows(expanded(raw / layout.mnist), 28, 255, raw / layout.mnist)
    yield from _items("a", mnist[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN], labels)
    uci, labels = parse_rows(expanded(raw / layout.uci), 8, _LEVELS, raw / layout.uci)
    yield from _items("b", (uci.astype(int) * 255 // _LEVELS).astype(np.uint8), labels)


def _items(field: str, images: UInt8[np.ndarray, "n h w"], labels: np.ndarray) -> Iterator[Item]:
    for place, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=0)
        split = split_at(place, _EVERY)
        yield Item(f"{field}/{place:05d}", out.getvalue(), None, split, {f"{field}_label": str(label)}, field)
