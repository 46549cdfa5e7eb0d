"""An encoded image of an archive, with its field, split, pair and what else belongs to its row.

Of published archives, members without a suffix of an image, hidden ones and those of `__MACOSX` are no images. They are
left out without a message. What is an image among the user's own files is decided in `recognise`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from ganpipe.data.pack.images import SUFFIXES

TRAIN, VALID, TEST = SPLITS = ("train", "valid", "test")
"""The splits of images, in packed order."""

Value = str | tuple[str, ...] | UInt8[np.ndarray, " k"] | Float32[np.ndarray, " k"]
"""What a small field holds of one row: a class, the words of a text, attributes of 0 or 1, the numbers of a vector."""


@dataclass(frozen=True)
class Item:
    """An encoded image, or the reason why there is none, with all that the raw files say about it.

    `columns` and `each` are the values of small fields: of all that the set has, or without `label` where the image
    lies in no folder of a class.
    """

    name: str
    content: bytes
    problem: str | None
    split: str = TRAIN
    columns: Mapping[str, Value] = dataclasses.field(default_factory=dict)  # by field
    field: str = "image"  # the name of the pixel file that it goes to, see `decode.decoded`
    key: str = ""  # images of one key and split are one row; empty: it is a row of its own
    rows: int = 1  # that are made of the image, one after the other
    each: Mapping[str, Sequence[Value]] = dataclasses.field(default_factory=dict)  # by field, of each of these rows
    every: int | None = None  # of so many of these rows the last is of the split test; None: all are of `split`

    @property
    def splits(self) -> list[str]:
        """The split of each of its rows."""
        if self.every is None:
            return [sys.intern(self.split)] * self.rows
        return [split_at(number, self.every) for number in range(self.rows)]


def split_at(place: int, every: int) -> str:
    """Return the split of the item at this place, counted from 0: of every so many items the last is for the test."""
    return TEST if place % every == every - 1 else TRAIN


def is_image(name: str) -> bool:
    """Return whether a member of a published archive is taken for an image."""
    return name.lower().endswith(SUFFIXES) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Return whether a member of an archive is hidden, or lies in a hidden folder; `__MACOSX` is one."""
    return any(part == "__MACOSX" or (part[:1] == "." and part != "..") for part in name.split("/"))
