"""Captions of real digits, composed from what is measured of each: "a thick seven, leaning left".

The thickness is the mean width of the stroke: the ink, in white pixels, divided by the pixels of the skeleton. The
slant is the shear by central moments, -mu11 / mu02 (Hu 1962, doi:10.1109/TIT.1962.1057692), positive to the right. Both
are told in thirds of all digits but those of the split test. Moments are sums of whole numbers, so that all machines
agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from ganpipe.data.catalogue.carried import SLANT, THICKNESS
from ganpipe.data.pack.items import TEST, TRAIN, VALID, split_at
from ganpipe.data.pack.whole import Table
from ganpipe.data.packed.columns import Block

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_EVERY = 10  # digits, one is for the test; of the combinations, a tenth is valid
_INK = 127  # grey level above which a pixel belongs to the stroke

Images = UInt8[np.ndarray, "n h w"]
Parts = tuple[int, int, int]
"""Digit, third of the thickness, third of the slant."""


def with_captions(digits: Block) -> Table:
    """Return digits with captions, swapped captions and what these tell, by split and in published order within."""
    images, labels = digits["image"], digits["label"]
    tested = np.array([split_at(place, _EVERY) == TEST for place in range(len(labels))])
    thickness, slant = (in_thirds(values, ~tested) for values in (thicknesses(images[..., 0]), slants(images[..., 0])))
    parts = list(zip(labels.tolist(), thickness.tolist(), slant.tolist(), strict=True))
    occurring = sorted({part for part, test in zip(parts, tested.tolist(), strict=True) if not test})
    kept_back = set(sorted(occurring, key=_key)[: len(occurring) // _EVERY])
    trained = set(occurring) - kept_back
    splits = [VALID if part in kept_back else TRAIN for part in parts]
    splits = [TEST if test else split for test, split in zip(tested.tolist(), splits, strict=True)]
    captions = [caption_of(part) for part in parts]
    names = tuple(sorted(set(captions)))
    swapped = [caption_of(_swapped(part, row, trained)) for row, part in enumerate(parts)]
    columns = {"image": images, "label": labels, "thickness": thickness, "slant": slant}
    columns |= {"caption": _numbers(captions, names), "swapped": _numbers(swapped, names)}
    order = np.array(sorted(range(len(parts)), key=lambda row: (TRAIN, VALID, TEST).index(splits[row])))
    ranges, start = {}, 0
    for split in (TRAIN, VALID, TEST):
        ranges[split] = (start, start + splits.count(split))
        start = ranges[split][1]
    ordered = {name: values[order] for name, values in columns.items()}
    return Table(ordered, ranges, dict.fromkeys(("caption", "swapped"), names))


def caption_of(part: Parts) -> str:
    """Return the caption of a digit: the digit, its thickness and its slant in words."""
    digit, thickness, slant = part
    return f"a {THICKNESS[thickness]} {DIGITS[digit]}, {SLANT[slant]}"


def thicknesses(images: Images) -> Float64[np.ndarray, " n"]:
    """Return the mean width of the stroke of each white digit on black, pixels; 0 where there is no stroke."""
    from skimage.morphology import skeletonize  # takes a while, and only this set needs it

    lengths = np.array([skeletonize(image > _INK).sum() for image in images])
    return images.sum(axis=(1, 2), dtype=np.int64) / 255 / np.maximum(lengths, 1)


def slants(images: Images) -> Float64[np.ndarray, " n"]:
    """Return the shear of each white digit on black: how far to the right a step up goes; 0 where it has no height."""
    weight, down, across = images.astype(np.int64), *np.mgrid[: images.shape[1], : images.shape[2]]
    total, x, y, xy, yy = (
        (weight * factor).sum(axis=(1, 2)) for factor in (1, across, down, across * down, down * down)
    )
    along, high = total * xy - x * y, total * yy - y * y  # central moments, times the square of the total
    return -along / np.maximum(high, 1)


def in_thirds(values: Float64[np.ndarray, " n"], of: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Return the third 0, 1 or 2 of each value, among the values where `of` is true."""
    return np.searchsorted(np.quantile(values[of], [1 / 3, 2 / 3]), values).astype(np.int64)


def _swapped(part: Parts, row: int, known: set[Parts]) -> Parts:
    """Return parts that differ in one from `part` and are known."""
    found = sorted(
        other
        for other in product(range(len(DIGITS)), range(len(THICKNESS)), range(len(SLANT)))
        if other in known and sum(mine != theirs for mine, theirs in zip(part, other, strict=True)) == 1
    )
    ways = [[other for other in found if other[at] != part[at]] for at in range(3)]
    number = int.from_bytes(hashlib.sha256(f"{row} {part}".encode()).digest()[:8], "big")
    way = [one for one in ways if one][number % sum(map(bool, ways))]
    return way[number // 3 % len(way)]


def _key(part: Parts) -> bytes:
    return hashlib.sha256(caption_of(part).encode()).digest()


def _numbers(texts: Sequence[str], names: tuple[str, ...]) -> Int64[np.ndarray, " n"]:
    places = {name: number for number, name in enumerate(names)}
    return np.array([places[text] for text in texts], np.int64)
