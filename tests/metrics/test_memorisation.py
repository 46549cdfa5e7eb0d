"""Copies of samples and of training data are found, new data are not."""

from __future__ import annotations

import numpy as np
import pytest
from metrics.neighbours import copied_share

from ganpipe.errors import MetricError
from ganpipe.metrics.distances import Neighbourhood
from ganpipe.metrics.memorisation import duplicate_share


def test_duplicates_are_counted_beyond_the_first() -> None:
    images = np.arange(5 * 2 * 2, dtype=np.uint8).reshape(5, 2, 2, 1)
    assert duplicate_share(images) == 0
    assert duplicate_share(images[[0, 1, 1, 1, 2]]) == pytest.approx(2 / 5)
    assert duplicate_share(images[[3] * 5]) == pytest.approx(4 / 5)


def test_a_line_by_hand() -> None:
    real = np.array([[0.0], [1.0], [3.0]])  # nearest other real: 1, 1 and 2 away
    assert Neighbourhood(real, 1, "real").radii(1).numpy() == pytest.approx([1, 1, 2])
    fake = np.array([[0.5], [4.9], [5.1], [-1.5]])  # 0.5 from 0 or 1: copied; 1.9 from 3: copied; 2.1 and 1.5: not
    assert copied_share(real, fake) == 0.5


def test_copies_score_one_and_new_data_as_held_out_data() -> None:
    rng = np.random.default_rng(0)
    real, new, held_out = (rng.normal(size=(500, 16)) for _ in range(3))
    assert copied_share(real, real + 1e-6) == 1
    fresh, floor = copied_share(real, new), copied_share(real, held_out)
    assert 0.2 < fresh < 0.8
    assert abs(fresh - floor) < 0.07
    half = np.concatenate([real[:250] + 1e-6, new[:250]])
    assert copied_share(real, half) > fresh + 0.15
    assert copied_share(real, new + 100) == 0


def test_bad_features_are_refused() -> None:
    with pytest.raises(MetricError, match="not finite"):
        copied_share(np.full((4, 2), np.nan), np.zeros((4, 2)))
