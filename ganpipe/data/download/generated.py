"""Data sets computed from a seed, bit for bit the same on every machine and under every version of NumPy.

Made from the raw bits of PCG64, which NumPy promises never to change, unlike the methods of its Generator.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8

from ganpipe.data.catalogue.origins import Generated

_SIDE = 32  # pixels
_RADII = (6, 11)  # half sides of the shapes, pixels; from, to (exclusive)
_SHAPES = 4


def generate(origin: Generated, path: Path) -> None:
    """Write the rows of `origin` to `path` as a .npy file."""
    rows = MAKERS[origin.maker](origin.rows, origin.seed)
    with path.open("wb") as out:
        np.lib.format.write_array(out, rows, version=(1, 0), allow_pickle=False)


def pattern(count: int, seed: int) -> Float32[np.ndarray, "n 4"]:
    """Return `count` vectors of the pattern 1 0 1 0: ones are U(0.8, 1), zeros U(0, 0.2)."""
    bits = np.random.PCG64(seed).random_raw(4 * count).reshape(count, 4)
    uniform = (bits >> np.uint64(11)) * 2.0**-53
    return (np.array([0.8, 0.0, 0.8, 0.0]) + 0.2 * uniform).astype("<f4")


def shapes(count: int, seed: int) -> UInt8[np.ndarray, "n 32 32 3"]:
    """Return `count` images of a bright shape on a dark ground, of the classes that `shape_labels` returns."""
    bits = np.random.PCG64(seed).random_raw(9 * count).reshape(count, 9) >> np.uint64(32)
    radius = _RADII[0] + (bits[:, 0] % (_RADII[1] - _RADII[0])).astype(np.int64)
    centre = radius[:, None] + (bits[:, 1:3] % (_SIDE - 2 * radius)[:, None].astype(np.uint64)).astype(np.int64)
    bright = (128 + bits[:, 3:6] % 128).astype(np.uint8)
    dark = (bits[:, 6:9] % 96).astype(np.uint8)
    inside = _inside(centre, radius, shape_labels(count, seed))
    return np.where(inside[..., None], bright[:, None, None], dark[:, None, None])


def shape_labels(count: int, seed: int) -> Int64[np.ndarray, " n"]:
    """Return the labels of `shapes`: circle, square, triangle and cross in turn, whatever the seed."""
    return np.arange(count, dtype="<i8") % _SHAPES


def _inside(
    centre: Int64[np.ndarray, "n 2"], radius: Int64[np.ndarray, " n"], kind: Int64[np.ndarray, " n"]
) -> Bool[np.ndarray, "n 32 32"]:
    """Return which pixels belong to the shape, in whole numbers: no rounding can differ between machines."""
    grid = np.arange(_SIDE)
    dy = grid[None, :, None] - centre[:, 0, None, None]
    dx = grid[None, None, :] - centre[:, 1, None, None]
    r = radius[:, None, None]
    farther, nearer = np.maximum(abs(dx), abs(dy)), np.minimum(abs(dx), abs(dy))
    square = farther <= r
    drawn = (dx * dx + dy * dy <= r * r, square, square & (2 * abs(dx) <= dy + r), square & (3 * nearer <= r))
    return np.choose(kind[:, None, None], drawn)


MAKERS: dict[str, Callable[[int, int], Shaped[np.ndarray, "n ..."]]] = {
    "pattern": pattern,
    "shapes": shapes,
    "shape_labels": shape_labels,
}
