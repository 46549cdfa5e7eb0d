"""Scores by nearest neighbours: how far the fakes lie among the reals, and the reals among the fakes.

Precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1-2. Density and coverage: Naeem et al. 2020,
arXiv:2002.09797, eq. 4 and 6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganpipe.errors import MetricError
from ganpipe.metrics.checks import check_features

_ROWS = 512  # rows of a distance matrix in memory at a time


class Prdc(NamedTuple):
    """Shares in [0, 1], except density, which is 1 for equal distributions and has no upper bound."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], neighbours: int = 5) -> Prdc:
    """Judge by balls that reach from each sample to its k-th nearest neighbour in the same set, k = `neighbours`.

    precision: share of fakes inside the ball of some real; recall: share of reals inside the ball of some fake;
    density: mean number of real balls a fake lies in, over k; coverage: share of reals whose ball holds a fake.
    Inside means strictly nearer than the radius, as in the code of Naeem et al. (Kynkäänniemi et al. include the rim):
    copies of one sample have radius 0 and hold nothing. Distances are computed by subtraction in float64; the usual
    |x|^2 + |y|^2 - 2 x.y loses the small ones. Memory is linear in the number of samples.
    Raises `MetricError` for fewer than k + 2 samples in a set and for what `check_features` refuses.
    """
    if neighbours < 1:
        raise MetricError(f"evaluate.neighbours = {neighbours}, at least 1 is needed")
    check_features(real, fake, neighbours)
    x, y = _tensor(real), _tensor(fake)
    radii_x, radii_y = _radii(x, neighbours), _radii(y, neighbours)
    balls_holding_fake = torch.zeros(len(y), dtype=torch.int64)
    recalled, covered = [], []
    for rows, radii in zip(x.split(_ROWS), radii_x.split(_ROWS), strict=True):
        distances = _distances(rows, y)
        inside = distances < radii[:, None]
        balls_holding_fake += inside.sum(dim=0)
        covered.append(inside.any(dim=1))
        recalled.append((distances < radii_y).any(dim=1))
    return Prdc(
        precision=_share(balls_holding_fake > 0),
        recall=_share(torch.cat(recalled)),
        density=float(balls_holding_fake.sum()) / (neighbours * len(y)),
        coverage=_share(torch.cat(covered)),
    )


def _radii(points: Float64[Tensor, "n d"], neighbours: int) -> Float64[Tensor, " n"]:
    """Return the distance of each point to its k-th nearest other point; the nearest of all is the point itself."""
    return torch.cat([_distances(rows, points).kthvalue(neighbours + 1, dim=1).values for rows in points.split(_ROWS)])


def _distances(x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _tensor(features: Float[np.ndarray, "n d"]) -> Float64[Tensor, "n d"]:
    return torch.tensor(features, dtype=torch.float64)


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
