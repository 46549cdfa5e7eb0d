"""Scores by nearest neighbours of two sets of features, for tests that need no neighbourhoods."""

from __future__ import annotations

import numpy as np

from ganpipe.metrics import copies
from ganpipe.metrics import prdc as scores
from ganpipe.metrics.distances import Neighbourhood, as_points


def prdc(real: np.ndarray, fake: np.ndarray, neighbours: int = 5) -> scores.Prdc:
    found = scores.prdc(Neighbourhood(real, neighbours, "real"), Neighbourhood(fake, neighbours, "fake"), [neighbours])
    return found[neighbours]


def copied_share(real: np.ndarray, fake: np.ndarray) -> float:
    return copies.copied_share(Neighbourhood(real, 1, "real"), as_points(fake))
