"""Precision, recall, density and coverage: which fakes lie near reals, and which reals near fakes.

Precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1-2. Density and coverage: Naeem et al. 2020,
arXiv:2002.09797, eq. 4 and 6.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from ganpipe.metrics.distances import Neighbourhood, distance_rows

FIRST_K = 3
"""k of Kynkäänniemi et al.; Naeem et al. take 5."""


class Prdc(NamedTuple):
    """Shares in [0, 1], except density, which is 1 for equal distributions and has no upper bound."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Neighbourhood, fake: Neighbourhood, neighbours: Collection[int]) -> dict[int, Prdc]:
    """Return the scores for each k of `neighbours`, by balls around each sample up to its k-th nearest in the same set.

    precision: share of fakes inside the ball of some real; recall: share of reals inside the ball of some fake;
    density: mean number of real balls that hold a fake, divided by k; coverage: share of reals whose ball holds a fake.
    Inside means strictly nearer than the radius, as in the code of Naeem et al. (Kynkäänniemi et al. include the rim):
    copies of one sample have radius 0 and hold nothing. Memory is linear in the number of samples.
    """
    tallies = {k: _Tally(real, fake, k) for k in neighbours}
    for start, distances in distance_rows(real.points, fake.points):
        for tally in tallies.values():
            tally.count(start, distances)
    return {k: tally.scores() for k, tally in tallies.items()}


class _Tally:
    """Counts the samples inside the balls of one k."""

    def __init__(self, real: Neighbourhood, fake: Neighbourhood, k: int) -> None:
        self._k, self._radii_x, self._radii_y = k, real.radii(k), fake.radii(k)
        self._balls_holding_fake = torch.zeros(len(fake), dtype=torch.int64)
        self._recalled: list[Tensor] = []
        self._covered: list[Tensor] = []

    def count(self, start: int, distances: Tensor) -> None:
        """Count the distances of some reals to all fakes; `start` is the number of the first of these reals."""
        inside = distances < self._radii_x[start : start + len(distances), None]
        self._balls_holding_fake += inside.sum(dim=0)
        self._covered.append(inside.any(dim=1))
        self._recalled.append((distances < self._radii_y).any(dim=1))

    def scores(self) -> Prdc:
        """Return the scores, after all reals were counted."""
        return Prdc(
            precision=_share(self._balls_holding_fake > 0),
            recall=_share(torch.cat(self._recalled)),
            density=float(self._balls_holding_fake.sum()) / (self._k * len(self._balls_holding_fake)),
            coverage=_share(torch.cat(self._covered)),
        )


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
