"""The Fréchet distance against closed forms and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganpipe.metrics import frechet
from ganpipe.metrics.frechet import frechet_distance

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.sampled_from([(200, 8), (120, 30), (20, 64), (40, 40), (41, 40)])  # N > d, N < d, N = d, N = d + 1


def standard(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Samples whose mean is exactly 0 and whose covariance is exactly the identity."""
    centred = rng.normal(size=(n, d))
    centred -= centred.mean(axis=0)
    return np.linalg.qr(centred)[0] * np.sqrt(n - 1)


def precision(size: tuple[int, int]) -> float:
    """How well a distance is known: covariances of N = d + 1 samples are nearly singular."""
    return 1e-7 if size[0] == size[1] + 1 else 1e-10


@given(SEEDS, SIZES)
@settings(max_examples=20, deadline=None)
def test_distance_to_itself_is_zero(seed: int, size: tuple[int, int]) -> None:
    x = np.random.default_rng(seed).normal(size=size)
    assert 0 <= frechet_distance(x, x) <= 1e-8 * np.trace(np.cov(x, rowvar=False))


def test_distance_to_itself_at_full_size() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 64))
    assert 0 <= frechet_distance(x, x) <= 1e-8 * 64


@given(SEEDS, st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_commuting_covariances_have_a_closed_form(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    shift, (a, b) = rng.normal(size=d), rng.uniform(0.1, 5, size=(2, d))
    found = frechet_distance(standard(rng, 60, d) * a, standard(rng, 50, d) * b + shift)
    assert found == pytest.approx(np.sum(shift**2 + (a - b) ** 2), rel=1e-9)


def test_eight_dimensions_half_a_unit_apart() -> None:
    rng = np.random.default_rng(1)
    assert frechet_distance(standard(rng, 100, 8), 2 * standard(rng, 100, 8) + 0.5) == pytest.approx(10, abs=1e-9)


def test_covariances_that_do_not_commute() -> None:
    rng = np.random.default_rng(2)
    x = standard(rng, 50, 2) @ np.linalg.cholesky(np.array([[2.0, 1.0], [1.0, 2.0]])).T
    y = standard(rng, 50, 2) * [1, 2]
    assert frechet_distance(x, y) == pytest.approx(0.7712204476543416, abs=1e-12)
    assert 9 - 2 * np.sqrt(10 + 2 * np.sqrt(12)) == pytest.approx(0.7712204476543416, abs=1e-12)


@given(SEEDS, SIZES, st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_symmetry_rotation_and_scale(seed: int, size: tuple[int, int], scale: float) -> None:
    rng = np.random.default_rng(seed)
    n, d = size
    x, y = rng.normal(size=size), rng.normal(size=(n + 7, d)) * rng.uniform(0.5, 2, size=d) + 1
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    expected = pytest.approx(frechet_distance(x, y), rel=precision(size))
    assert frechet_distance(y, x) == expected
    assert frechet_distance(x @ turn, y @ turn) == expected
    assert frechet_distance(scale * x, scale * y) / scale**2 == expected


@given(SEEDS, SIZES)
@settings(max_examples=20, deadline=None)
def test_a_shift_alone_costs_its_square(seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    x, shift = rng.normal(size=size), rng.normal(size=size[1])
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift, rel=precision(size))


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_both_ways_to_the_cross_term_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tall = [frechet._centred(rng.normal(size=(n, 30))) for n in (100, 80)]
    assert frechet._cross_eigen(*tall) == pytest.approx(frechet._cross_nuclear(*tall), rel=1e-9)
    wide = [frechet._centred(rng.normal(size=(n, 90))) for n in (50, 40)]
    assert frechet._cross_eigen(*wide) == pytest.approx(frechet._cross_nuclear(*wide), rel=1e-6)


def test_which_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 20))
    monkeypatch.setattr(frechet, "_cross_eigen", lambda x, y: 0.0)
    assert frechet_distance(x, x) > 1  # both larger than d: the eigenvalue way, here broken
    assert frechet_distance(x, x[:20]) < 30 and frechet_distance(x[:20], x[:20]) < 1e-9


def test_copies_of_the_same_samples_change_almost_nothing() -> None:
    rng = np.random.default_rng(4)
    real, fake = rng.normal(size=(1000, 16)), rng.normal(size=(300, 16)) * 1.5
    once, copied = frechet_distance(real, fake), frechet_distance(real, np.repeat(fake, 10, axis=0))
    assert copied == pytest.approx(once, rel=0.01)
    assert copied != pytest.approx(once, rel=1e-6)  # the N - 1 of the covariance


@pytest.mark.parametrize(
    ("d", "n", "documented"), [(16, 500, 0.336), (64, 1000, 2.208), (64, 5000, 0.4416), (128, 2000, 4.256)]
)
def test_bias_between_equal_gaussians(d: int, n: int, documented: float) -> None:
    rng = np.random.default_rng(5)
    found = np.mean([frechet_distance(rng.normal(size=(n, d)), rng.normal(size=(n, d))) for _ in range(10)])
    assert 2 * d / n + d * (d + 1) / (2 * n) == pytest.approx(documented, rel=1e-9)
    assert found == pytest.approx(documented, rel=0.05)


def test_float32_features_are_computed_in_float64() -> None:
    rng = np.random.default_rng(6)
    x, y = (rng.normal(size=(2, 300, 16)) + 100).astype(np.float32)
    assert frechet_distance(x, y) == frechet_distance(x.astype(np.float64), y.astype(np.float64))
