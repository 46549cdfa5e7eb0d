"""Distances between points: as exact as by subtraction, wherever the points are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganpipe.metrics import distances
from ganpipe.metrics.distances import distance_rows, mean_and_nearest, squared_distances


def by_subtraction(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(x[:, None] - y).sum(axis=2))


def found(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return torch.cat([rows for _, rows in distance_rows(torch.tensor(x), torch.tensor(y))]).numpy()


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.floats(-9, 9))
@settings(max_examples=60, deadline=None)
def test_points_anywhere(seed: int, n: int, m: int, d: int, magnitude: float) -> None:
    rng = np.random.default_rng(seed)
    y = 10**magnitude * (rng.normal(size=(m, d)) + rng.normal(size=d) * rng.integers(0, 1000))
    x = 10**magnitude * rng.normal(size=(n, d))
    assert found(x, y) == pytest.approx(by_subtraction(x, y), rel=1e-10, abs=0)


@pytest.mark.parametrize("offset", [0, 1, 1e6])
def test_equal_and_nearly_equal_points_among_others(offset: float) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(400, 64)) + offset
    x = np.concatenate([y[:50], y[:50] + 1e-5 * rng.normal(size=(50, 64)), rng.normal(size=(50, 64)) + offset])
    measured = found(x, y)
    assert (measured[np.arange(50), np.arange(50)] == 0).all()
    assert measured == pytest.approx(by_subtraction(x, y), rel=1e-10, abs=0)


def test_copies_of_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many pairs are near each other that picking them out would take more memory than the points."""
    monkeypatch.setattr(distances, "_NEAR_BYTES", 1000)
    rng = np.random.default_rng(0)
    y = np.repeat(10 * rng.normal(size=(3, 16)), 50, axis=0) + 1e-7 * rng.normal(size=(150, 16))
    assert found(y, y) == pytest.approx(by_subtraction(y, y), rel=1e-12, abs=0)


def test_mean_and_nearest_by_hand() -> None:
    points = np.array([[0, 0], [3, 4], [0, 1]], np.float32)
    apart = {"01": 5.0, "02": 1.0, "12": np.sqrt(18)}
    mean, nearest = mean_and_nearest(points)
    assert mean == pytest.approx(sum(apart.values()) / 3)
    assert nearest == pytest.approx((1 + np.sqrt(18) + 1) / 3)
    assert mean_and_nearest(points[:1]) == mean_and_nearest(points[:0]) == (0.0, 0.0)


def test_wide_items_are_measured_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.random.default_rng(0).integers(0, 256, (10, 40, 40, 1), np.uint8)
    whole = mean_and_nearest(items)
    monkeypatch.setattr(distances, "_COLUMNS", 7)
    assert mean_and_nearest(items) == whole  # whole numbers: exact in any order


@pytest.mark.parametrize("columns", [3, 7, 1 << 16])
def test_squared_distances_of_whole_numbers_are_exact(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(distances, "_COLUMNS", columns)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (9, 50), np.uint8), rng.integers(0, 256, (12, 50), np.uint8)
    expected = np.square(x[:, None].astype(int) - y).sum(axis=2)
    assert (squared_distances(torch.tensor(x), torch.tensor(y)).numpy() == expected).all()
    assert (squared_distances(torch.tensor(x), torch.tensor(x)).diagonal() == 0).all()
