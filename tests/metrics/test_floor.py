"""The floor of the Fréchet distance, and how far a single split of the real items would be from it."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.metrics import score
from ganpipe.metrics.extractors.interface import Extracted
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.score import FLOOR_SPLITS, compare

N, D = 60, 12


def drawn(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, D))


def floors(seed: int) -> tuple[float, float, float]:
    real, other, fake = drawn(3 * seed), drawn(3 * seed + 1), drawn(3 * seed + 2)
    scores = compare(real, Extracted(fake), None, other)
    ratio = scores["fd"] / scores["fd_floor"]
    assert scores["fd_ratio"] == pytest.approx(ratio)
    assert scores["fd_ratio_std"] == pytest.approx(ratio * scores["fd_floor_std"] / scores["fd_floor"])
    return scores["fd_floor"], scores["fd_floor_std"], frechet_distance(real, other)


def test_the_mean_over_splits_is_nearer_to_that_of_all_data_than_one_split() -> None:
    found = np.array([floors(seed) for seed in range(20)])
    mean, _, single = found.T
    truth = np.mean([frechet_distance(drawn(1000 + k), drawn(2000 + k)) for k in range(200)])
    assert np.abs(mean - truth).mean() < 0.7 * np.abs(single - truth).mean()


def test_the_deviation_is_about_that_of_single_splits() -> None:
    found = np.array([floors(seed) for seed in range(20)])
    assert 0.6 < np.mean(found[:, 1]) / np.std(found[:, 2]) < 1.4


def test_every_split_holds_all_items_once_and_the_given_one_comes_first() -> None:
    real, other = drawn(0, 5), drawn(1, 7)
    splits = list(score._splits(real, other))
    assert len(splits) == FLOOR_SPLITS == len({a.tobytes() for a, _ in splits})
    np.testing.assert_array_equal(splits[0][0], real)
    for a, b in splits:
        assert (len(a), len(b)) == (5, 7)
        np.testing.assert_array_equal(*(np.sort(np.concatenate(pair), axis=0) for pair in ((a, b), (real, other))))
