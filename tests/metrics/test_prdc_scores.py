"""Precision, recall, density, coverage on sets whose overlap is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.feature_scores import prdc

from ganpipe.errors import MetricError
from ganpipe.metrics import distances as nearest
from ganpipe.metrics.prdc import Prdc


def expected_coverage(n: int, m: int, k: int) -> float:
    """Naeem et al. 2020, eq. 8: for any one continuous distribution of both sets."""
    j = np.arange(1, k + 1)
    return float(1 - np.prod((n - j) / (n + m - j)))


@given(st.integers(0, 2**32 - 1), st.integers(7, 200), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_identical_sets(seed: int, n: int, d: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, d))
    assert prdc(x, x, 5) == Prdc(1, 1, 1, 1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=10, deadline=None)
def test_order_does_not_matter_and_roles_do(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(80, 6)), rng.normal(size=(60, 6)) * 1.3
    forward, backward = prdc(x, y, k), prdc(y, x, k)
    assert prdc(rng.permutation(x), rng.permutation(y), k) == forward
    assert (backward.precision, backward.recall) == (forward.recall, forward.precision)


@pytest.mark.parametrize(
    ("n", "m", "k", "documented", "tolerance"),
    [(1000, 1000, 5, 0.96898, 0.007), (1000, 1000, 3, 0.87538, 0.016), (500, 2000, 5, 0.99969, 0.0015)],
)
def test_coverage_of_equal_distributions(n: int, m: int, k: int, documented: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    found = [prdc(rng.normal(size=(n, 8)), rng.normal(size=(m, 8)), k) for _ in range(5)]
    assert expected_coverage(n, m, k) == pytest.approx(documented, abs=1e-5)
    assert np.mean([scores.coverage for scores in found]) == pytest.approx(documented, abs=tolerance)
    assert np.mean([scores.density for scores in found]) == pytest.approx(1, abs=0.06)


def clusters(rng: np.random.Generator, centres: np.ndarray, modes: int, scale: float = 1) -> np.ndarray:
    return centres[rng.integers(modes, size=1000)] + scale * rng.normal(size=(1000, centres.shape[1]))


def test_dropped_modes_lower_recall_and_coverage_but_not_precision() -> None:
    rng = np.random.default_rng(0)
    centres = 10 * rng.normal(size=(10, 16))
    real = clusters(rng, centres, 10)
    for modes in (10, 8, 5, 2, 1):
        found = prdc(real, clusters(rng, centres, modes))
        assert found.precision == pytest.approx(0.88, abs=0.05)
        assert found.recall == pytest.approx(0.088 * modes, abs=0.05)
        assert found.coverage == pytest.approx(0.097 * modes, abs=0.03)


def test_invented_modes_halve_precision_and_density() -> None:
    rng = np.random.default_rng(1)
    centres = 10 * rng.normal(size=(20, 16))
    found = prdc(clusters(rng, centres, 10), clusters(rng, centres, 20))
    assert found.precision == pytest.approx(0.446, abs=0.05)
    assert found.density == pytest.approx(0.5, abs=0.06)
    assert found.recall == pytest.approx(0.888, abs=0.05)
    assert found.coverage == pytest.approx(0.89, abs=0.05)


def test_recall_rewards_spread_and_coverage_does_not() -> None:
    rng = np.random.default_rng(2)
    centres = 10 * rng.normal(size=(10, 16))
    real = clusters(rng, centres, 10)
    shrunk, spread = (prdc(real, clusters(rng, centres, 10, scale)) for scale in (0.25, 1.5))
    assert shrunk.precision == 1 and shrunk.recall < 0.01 and shrunk.density == pytest.approx(13.2, abs=2)
    assert shrunk.coverage == pytest.approx(0.946, abs=0.05)
    assert spread.recall > 0.995 and spread.precision == pytest.approx(0.24, abs=0.04)
    assert spread.density == pytest.approx(0.09, abs=0.03) and spread.coverage == pytest.approx(0.34, abs=0.05)


def test_far_from_the_origin_distances_are_still_exact() -> None:
    """The |x|^2 + |y|^2 - 2 x.y trick would lose all of these distances."""
    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, 2**20, size=(n, 8)) / 2.0**26 for n in (200, 150))
    assert prdc(x + 2.0**24, y + 2.0**24) == prdc(x, y)


def test_inside_is_strictly_inside() -> None:
    line = np.arange(8.0)[:, None]
    assert prdc(line, line + 100, 1) == Prdc(0, 0, 0, 0)
    assert prdc(line, line, 1) == Prdc(1, 1, 1, 1)  # each in its own ball only: the neighbours lie on the rim
    assert prdc(line, np.zeros((8, 1)), 1) == Prdc(1, 0, 1, 1 / 8)  # copies have radius 0 and hold nothing


def test_rows_in_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(100, 8)), rng.normal(size=(130, 8))
    whole = prdc(x, y)
    monkeypatch.setattr(nearest, "ROWS", 7)
    assert prdc(x, y) == whole


def test_k_must_be_positive_and_leave_enough_samples() -> None:
    x = np.random.default_rng(5).normal(size=(10, 3))
    assert prdc(x[:7], x, 5).precision <= 1
    with pytest.raises(MetricError, match="real set holds 6 samples, at least 7 are needed for balls to neighbour 5"):
        prdc(x[:6], x, 5)
    with pytest.raises(MetricError, match="evaluate.neighbours = 0"):
        prdc(x, x, 0)
