"""Scores by nearest neighbours: how far the fakes lie among the reals, and the reals among the fakes.

Precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1-2. Density and coverage: Naeem et al. 2020,
arXiv:2002.09797, eq. 4 and 6.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganpipe.metrics.nearest import Neighbourhood, distance_rows

FIRST_K = 3
"""k of Kynkäänniemi et al.; Naeem et al. take 5."""


class Prdc(NamedTuple):
    """Shares in [0, 1], except density, which is 1 for equal distributions and has no upper bound."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Neighbourhood, fake: Neighbourhood, neighbours: int) -> Prdc:
    """Judge by balls that reach from each sample to its k-th nearest neighbour in the same set, k = `neighbours`.

    precision: share of fakes inside the ball of some real; recall: share of reals inside the ball of some fake;
    density: mean number of real balls a fake lies in, over k; coverage: share of reals whose ball holds a fake.
    Inside means strictly nearer than the radius, as in the code of Naeem et al. (Kynkäänniemi et al. include the rim):
    copies of one sample have radius 0 and hold nothing. Memory is linear in the number of samples.
    """
    radii_x, radii_y = real.radii(neighbours), fake.radii(neighbours)
    balls_holding_fake = torch.zeros(len(fake), dtype=torch.int64)
    recalled, covered = [], []
    for start, distances in distance_rows(real.points, fake.points):
        inside = distances < radii_x[start : start + len(distances), None]
        balls_holding_fake += inside.sum(dim=0)
        covered.append(inside.any(dim=1))
        recalled.append((distances < radii_y).any(dim=1))
    return Prdc(
        precision=_share(balls_holding_fake > 0),
        recall=_share(torch.cat(recalled)),
        density=float(balls_holding_fake.sum()) / (neighbours * len(fake)),
        coverage=_share(torch.cat(covered)),
    )


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
