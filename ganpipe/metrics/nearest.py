"""Distances between the samples of two sets, a few rows at a time, and who stands nearest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganpipe.errors import MetricError
from ganpipe.metrics.checks import check_one_set

Points = Float64[Tensor, "n d"]

ROWS = 512
"""Rows of a distance matrix in memory at a time."""


def as_points(features: Float[np.ndarray, "n d"]) -> Points:
    """Return features as a float64 tensor."""
    return torch.tensor(features, dtype=torch.float64)


def distances(x: Points, y: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    """Return Euclidean distances, by subtraction: the usual |x|^2 + |y|^2 - 2 x.y loses the small ones."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def distance_rows(x: Points, y: Float64[Tensor, "m d"]) -> Iterator[tuple[int, Float64[Tensor, "rows m"]]]:
    """Yield the distances of `ROWS` points of `x` after the other to all of `y`, with the number of the first."""
    for start in range(0, len(x), ROWS):
        yield start, distances(x[start : start + ROWS], y)


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
        """Return the distance of each point to its k-th nearest other point."""
        return self._ranked[:, k - 1]


def _ranked(rows: Float64[Tensor, "rows n"], furthest: int) -> Float64[Tensor, "rows k"]:
    """Return the smallest distances in order, without that of each point to itself: the smallest of all."""
    return rows.topk(furthest + 1, dim=1, largest=False, sorted=True).values[:, 1:]
