"""The kernel distance: exact values, unbiasedness, subsets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganpipe.metrics import kernel
from ganpipe.metrics.kernel import kernel_distance


def slow_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic, written out pair by pair."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / len(a) + 1) ** 3

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return float(within_x + within_y - 2 * np.mean([k(a, b) for a in x for b in y]))


@given(st.integers(1, 300), st.integers(4, 60), st.integers(4, 60))
@settings(max_examples=25, deadline=None)
def test_constant_features_are_seven_apart(d: int, n: int, m: int) -> None:
    found = kernel_distance(np.zeros((n, d)), np.ones((m, d)))
    assert found.value == pytest.approx(7, abs=1e-12)
    assert found.std == pytest.approx(0, abs=1e-12)


def test_against_the_definition() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 5)), rng.normal(size=(23, 5)) + 0.3
    assert kernel_distance(x, y).value == pytest.approx(slow_distance(x, y), rel=1e-12)


def test_unbiased_and_never_clipped() -> None:
    rng = np.random.default_rng(1)
    draws = np.array([kernel_distance(*rng.normal(size=(2, 200, 16))).value for _ in range(200)])
    sem = draws.std(ddof=1) / np.sqrt(len(draws))
    assert abs(draws.mean()) < 3 * sem
    assert sem == pytest.approx(8.6e-4, rel=0.3)
    assert 0.4 < np.mean(draws < 0) < 0.65


def test_distance_to_itself_is_negative_not_zero() -> None:
    x = np.random.default_rng(2).normal(size=(200, 64))
    assert kernel_distance(x, x).value == pytest.approx(-0.070, abs=0.003)


def test_symmetric_and_larger_for_a_larger_shift() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 300, 16))
    values = [kernel_distance(x, y + shift).value for shift in (0, 0.3, 0.6, 1.2)]
    assert values == sorted(values) and values[0] < 0.05 < values[1]
    assert kernel_distance(y + 0.3, x).value == pytest.approx(values[1], rel=1e-12)


def test_std_is_the_spread_over_the_drawn_subsets() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 4)), rng.normal(size=(50, 4)) + 0.5
    draws = np.random.RandomState(2020)
    each = []
    for _ in range(100):
        of_y, of_x = draws.choice(50, 25, replace=False), draws.choice(60, 25, replace=False)
        each.append(kernel_distance(x[of_x], y[of_y]).value)
    assert kernel_distance(x, y).std == pytest.approx(np.std(each), rel=1e-10)
    assert kernel_distance(x, y, seed=1).std != pytest.approx(np.std(each), rel=1e-3)
    assert kernel_distance(x, y, seed=1).value == kernel_distance(x, y).value


def test_large_sets_get_the_mean_over_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(200, 8)), rng.normal(size=(180, 8)) + 0.5
    full = kernel_distance(x, y)
    monkeypatch.setattr(kernel, "FULL_UP_TO", 199)
    large = kernel_distance(x, y)
    assert large.std == pytest.approx(full.std, rel=1e-10)  # the same subsets, summed the other way
    assert large.value != full.value
    assert large.value == pytest.approx(full.value, abs=0.4 * full.std)
    assert kernel_distance(x, x[:180]).value < 0  # not clipped here either


def test_rows_in_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(70, 8)), rng.normal(size=(90, 8))
    whole = kernel_distance(x, y)
    monkeypatch.setattr(kernel, "_ROWS", 13)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-9)
