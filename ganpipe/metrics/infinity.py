"""The Fréchet distance that infinitely many samples would have (Chong & Forsyth 2020, arXiv:1911.07023)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ganpipe.errors import MetricError
from ganpipe.metrics.frechet import frechet_distance

POINTS = 15
LEAST = 5000
"""Fewest samples that a line is fitted to."""
LEAST_PER_DIMENSION = 5
"""Fewest samples for each feature."""


def can_be_extrapolated(samples: int, dimensions: int) -> bool:
    """Return whether there are enough samples for `frechet_at_infinity`."""
    return samples >= LEAST and samples > LEAST_PER_DIMENSION * dimensions


def frechet_at_infinity(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], seed: int = 2020) -> float:
    """Return the intercept at 1/N = 0 of a line through the Fréchet distances of N of the fakes, in float64.

    The 15 sizes N lie evenly between a tenth of the fakes and all of them; each subset is drawn with `seed`. The bias
    of a finite set of fakes falls as 1/N and is 0 at the intercept. The bias of the reals remains: all of them are used
    each time. May be slightly negative. Deviation from the paper: random subsets of a fixed set, where the authors draw
    new samples along a Sobol sequence.
    Raises `MetricError` for too few samples.
    """
    if not can_be_extrapolated(len(fake), fake.shape[1]):
        least = max(LEAST, LEAST_PER_DIMENSION * fake.shape[1] + 1)
        raise MetricError(f"{len(fake)} samples are too few for fd_infinity, {least} are needed: raise sample.count")
    rng = np.random.default_rng(seed)
    sizes = np.linspace(len(fake) // 10, len(fake), POINTS).astype(int)
    found = [frechet_distance(real, fake[rng.permutation(len(fake))[:size]]) for size in sizes]
    _, intercept = np.polyfit(1 / sizes, found, 1)
    return float(intercept)
