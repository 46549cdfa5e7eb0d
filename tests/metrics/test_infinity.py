"""The bias of a finite sample is taken off the Fréchet distance."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.infinity import can_be_extrapolated, frechet_at_infinity


@pytest.mark.parametrize(("shift", "true"), [(0.0, 0.0), (0.1, 0.64)])
def test_most_of_the_bias_is_removed(shift: float, true: float) -> None:
    """64 dimensions, 20,000 reals, 5,000 fakes moved by `shift` in each: the true distance is 64 shift^2."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(20_000, 64)), rng.normal(size=(5_000, 64)) + shift
    plain, found = frechet_distance(real, fake), frechet_at_infinity(real, fake)
    assert plain - true > 0.2
    assert abs(found - true) < 0.25 * (plain - true) + 0.026
    assert found == frechet_at_infinity(real, fake)


def test_few_samples_are_refused() -> None:
    assert can_be_extrapolated(5000, 84)
    assert not can_be_extrapolated(4999, 84)
    assert not can_be_extrapolated(10_000, 2048)
    with pytest.raises(MetricError, match=r"400 samples are too few for fd_infinity, 5000 are needed: raise sample"):
        frechet_at_infinity(np.zeros((400, 3)), np.zeros((400, 3)))
