"""An encoded image of an archive, with its field, split, pair, class and attributes.

Of published archives, members without a suffix of an image, hidden ones and those of `__MACOSX` are no images. They are
left out without a message. What is an image among the user's own files is decided in `recognise`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from ganpipe.data.pack.images import SUFFIXES

TRAIN, VALID, TEST = SPLITS = ("train", "valid", "test")
"""The splits of images, in packed order."""


@dataclass(frozen=True)
class Item:
    """An encoded image, or the reason why there is none, with all that the raw files say about it."""

    name: str
    content: bytes
    problem: str | None
    split: str = TRAIN
    folder: str | None = None  # the name of its class; None: it has none
    attributes: UInt8[np.ndarray, " k"] | None = None  # 0 or 1
    field: str = "image"  # the name of the pixel file that it goes to, see `decode.decoded`
    key: str = ""  # images of one key and split are one row; empty: it is a row of its own


def is_image(name: str) -> bool:
    """Return whether a member of a published archive is taken for an image."""
    return name.lower().endswith(SUFFIXES) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Return whether a member of an archive is hidden, or lies in a hidden folder; `__MACOSX` is one."""
    return any(part == "__MACOSX" or (part[:1] == "." and part != "..") for part in name.split("/"))
