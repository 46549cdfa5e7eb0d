"""Euclidean distances between points: all pairs of two sets, nearest neighbours, and how far one set spreads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Shaped
from torch import Tensor

from ganpipe.errors import MetricError
from ganpipe.metrics.checks import check_one_set

Points = Float64[Tensor, "n d"]

ROWS = 512
"""Rows of a distance matrix in memory at a time."""
_COLUMNS = 1 << 16
"""Numbers of a point that are converted to float64 at a time: 32 MiB for 64 points."""
_NEAR = 1e-3
"""Squared distances below this share of the points' own squared lengths are computed again by subtraction."""
_NEAR_BYTES = 1 << 27
"""Memory limit for subtracting the near pairs alone; beyond it (many copies of few points) all pairs are subtracted."""
_ROUNDING = 1e-9
"""Upper bound of the relative rounding error of a distance."""


def as_points(features: Float[np.ndarray, "n d"]) -> Points:
    """Return features as a float64 tensor."""
    return torch.tensor(features, dtype=torch.float64)


def squared_distances(x: Shaped[Tensor, "n d"], y: Shaped[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    """Return the squared distances of all pairs as |x|^2 + |y|^2 - 2 x.y, in float64, >= 0.

    Exact for whole numbers such as pixels, in any order of summation. Of other numbers, distances that are small beside
    the lengths of the points lose digits: `distance_rows` does not.
    """
    squares = torch.zeros(len(x), len(y), dtype=torch.float64, device=x.device)
    for start in range(0, x.shape[1], _COLUMNS):
        a, b = (points[:, start : start + _COLUMNS].double() for points in (x, y))
        squares += _expanded(_lengths(a)[:, None] + _lengths(b), a, b)
    return squares.clamp_(min=0)


def distance_rows(x: Points, y: Float64[Tensor, "m d"]) -> Iterator[tuple[int, Float64[Tensor, "rows m"]]]:
    """Yield the Euclidean distances of `ROWS` points of `x` at a time to all of `y`, with the number of the first.

    Points are moved so that the mean of `y` is the origin, and small distances are computed by subtraction: the
    relative error is at most `_ROUNDING`.
    """
    centre = y.mean(dim=0)
    x_, y_ = x - centre, y - centre
    x_lengths, y_lengths = _lengths(x_), _lengths(y_)
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        lengths = x_lengths[rows, None] + y_lengths
        squares = _expanded(lengths, x_[rows], y_)
        yield start, _with_exact(squares < _NEAR * lengths, squares, x[rows], y).sqrt_()


def mean_and_nearest(items: Shaped[np.ndarray, "n ..."]) -> tuple[float, float]:
    """Return the mean distance between two items, and the mean distance of an item to its nearest other.

    Both are 0 for fewer than two items. Memory grows with the square of their number.
    """
    if len(items) < 2:
        return 0.0, 0.0
    flat = torch.as_tensor(items).reshape(len(items), -1)
    apart = np.sqrt(squared_distances(flat, flat).numpy())  # torch's sqrt rounds differently on some processors
    mean = apart[np.triu_indices(len(apart), 1)].mean()
    np.fill_diagonal(apart, np.inf)
    return float(mean), float(apart.min(axis=1).mean())


def _lengths(points: Points) -> Float64[Tensor, " n"]:
    """Return the squared length of each point."""
    return points.square().sum(dim=1)


def _expanded(lengths: Float64[Tensor, "n m"], x: Points, y: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    """Return |x|^2 + |y|^2 - 2 x.y of all pairs; `lengths` holds |x|^2 + |y|^2."""
    return torch.addmm(lengths, x, y.T, alpha=-2)


def _with_exact(
    near: Bool[Tensor, "n m"], squares: Float64[Tensor, "n m"], x: Points, y: Float64[Tensor, "m d"]
) -> Float64[Tensor, "n m"]:
    """Return squared distances, with those of the pairs that are `near` computed by subtraction."""
    if int(near.sum()) * x.shape[1] * x.element_size() > _NEAR_BYTES:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    rows, columns = near.nonzero(as_tuple=True)
    squares[rows, columns] = (x[rows] - y[columns]).square().sum(dim=1)
    return squares


class Neighbourhood:
    """A set of points with the distances of each to its nearest others, computed once for all scores that ask.

    Raises `MetricError` for a set `name` that `check_features` refuses, and for one of fewer than `furthest` + 2
    points: with fewer, the ball around each point reaches to the farthest of all.
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
        """Return the distance of each point to its k-th nearest other.

        Reduced by 1e-9 of itself, so that rounding never counts a point on the rim of a ball as inside.
        """
        return self._ranked[:, k - 1] * (1 - _ROUNDING)


def _ranked(rows: Float64[Tensor, "rows n"], furthest: int) -> Float64[Tensor, "rows k"]:
    """Return the smallest distances in order, without the smallest of all: that of each point to itself."""
    return rows.topk(furthest + 1, dim=1, largest=False, sorted=True).values[:, 1:]
