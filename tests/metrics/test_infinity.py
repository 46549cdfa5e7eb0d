"""The bias of a finite sample is taken off the Fréchet distance."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.infinity import can_be_extrapolated, frechet_at_infinity


@pytest.mark.parametrize(("shift", "true", "finite", "infinite"), [(0.0, 0.0, 0.277, 0.052), (0.1, 0.64, 0.913, 0.694)])
def test_most_of_the_bias_is_removed(shift: float, true: float, finite: float, infinite: float) -> None:
    """64 dimensions, 20,000 reals, 5,000 fakes moved by `shift` in each: the true distance is 64 shift^2.

    What is left is mostly the bias of the reals: 64 / 20,000 + 64 * 65 / 40,000 and as much again in the mean, 0.055.
    """
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        real, fake = rng.normal(size=(20_000, 64)), rng.normal(size=(5_000, 64)) + shift
        found.append((frechet_distance(real, fake), frechet_at_infinity(real, fake)))
    assert found[-1][1] == frechet_at_infinity(real, fake)
    plain, extrapolated = np.mean(found, axis=0)
    assert plain == pytest.approx(finite, abs=0.02)
    assert extrapolated == pytest.approx(infinite, abs=0.026)
    assert abs(extrapolated - true) < 0.25 * (plain - true)


def test_few_samples_are_refused() -> None:
    assert can_be_extrapolated(5000, 84)
    assert not can_be_extrapolated(4999, 84)
    assert not can_be_extrapolated(10_000, 2048)
    with pytest.raises(MetricError, match=r"400 samples are too few for fd_infinity, 5000 are needed: raise sample"):
        frechet_at_infinity(np.zeros((400, 3)), np.zeros((400, 3)))
