"""Distances between the samples of two sets, a few rows at a time, and who stands nearest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

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


def radii(points: Points, neighbours: int) -> Float64[Tensor, " n"]:
    """Return the distance of each point to its k-th nearest other point; the nearest of all is the point itself."""
    found = [rows.kthvalue(neighbours + 1, dim=1).values for _, rows in distance_rows(points, points)]
    return torch.cat(found)
