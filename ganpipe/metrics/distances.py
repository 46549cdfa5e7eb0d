"""Distances between the samples of two sets, a few rows at a time, and who stands nearest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from ganpipe.errors import MetricError
from ganpipe.metrics.checks import check_one_set

Points = Float64[Tensor, "n d"]

ROWS = 512
"""Rows of a distance matrix in memory at a time."""
_NEAR = 1e-3
"""Squared distances below this share of the points' own squared lengths are computed by subtraction."""
_NEAR_BYTES = 1 << 27
"""What picking such pairs out may take; copies of few points would take more, and all pairs are subtracted."""
_ROUNDING = 1e-9
"""Far more than what rounding does to a distance, relative to it."""


def as_points(features: Float[np.ndarray, "n d"]) -> Points:
    """Return features as a float64 tensor."""
    return torch.tensor(features, dtype=torch.float64)


def distance_rows(x: Points, y: Float64[Tensor, "m d"]) -> Iterator[tuple[int, Float64[Tensor, "rows m"]]]:
    """Yield Euclidean distances of `ROWS` points of `x` after the other to all of `y`, with the number of the first.

    |x|^2 + |y|^2 - 2 x.y around the mean of `y` is one product of matrices. It loses small distances, so those are
    computed by subtraction: they are exact, and all others to `_ROUNDING`.
    """
    centre = y.mean(dim=0)
    x_, y_ = x - centre, y - centre
    x_lengths, y_lengths = x_.square().sum(dim=1, keepdim=True), y_.square().sum(dim=1)
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        lengths = x_lengths[rows] + y_lengths
        squares = torch.addmm(lengths, x_[rows], y_.T, alpha=-2)
        yield start, _with_exact(squares < _NEAR * lengths, squares, x[rows], y).sqrt_()


def _with_exact(
    near: Bool[Tensor, "n m"], squares: Float64[Tensor, "n m"], x: Points, y: Float64[Tensor, "m d"]
) -> Float64[Tensor, "n m"]:
    """Return squared distances, those of the pairs that are `near` computed by subtraction."""
    if int(near.sum()) * x.shape[1] * x.element_size() > _NEAR_BYTES:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    rows, columns = near.nonzero(as_tuple=True)
    squares[rows, columns] = (x[rows] - y[columns]).square().sum(dim=1)
    return squares


class Neighbourhood:
    """A set of points and how far each is from its nearest others, found once for all scores that ask.

    Raises `MetricError` for a set `name` that `check_features` refuses, and for one of fewer than `furthest` + 2
    points: each needs so many others and one to spare, or every ball reaches the farthest of them.
    """

    def __init__(self, features: Float[np.ndarray, "n d"], furthest: int, name: str) -> None:
        if furthest < 1:
            raise MetricError(f"evaluate.neighbours = {furthest}, at least 1 is needed")
        check_one_set(name, features, furthest + 2, f"balls to neighbour {furthest}")
        self.points = as_points(features)
        self._ranked = torch.cat([_ranked(rows, furthest) for _, rows in distance_rows(self.points, self.points)])

    def __len__(self) -> int:
        return len(self.points)

    def radii(self, k: int) -> Float64[Tensor, " n"]:
        """Return the distance of each point to its k-th nearest other, just short of it: rounding lets nobody in."""
        return self._ranked[:, k - 1] * (1 - _ROUNDING)


def _ranked(rows: Float64[Tensor, "rows n"], furthest: int) -> Float64[Tensor, "rows k"]:
    """Return the smallest distances in order, without that of each point to itself: the smallest of all."""
    return rows.topk(furthest + 1, dim=1, largest=False, sorted=True).values[:, 1:]
