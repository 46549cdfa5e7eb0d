"""The values extractor: numbers as they are, long items averaged over steps."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.values import MOST, ValuesExtractor

RNG = np.random.default_rng(0)


def features(items: np.ndarray) -> np.ndarray:
    return ValuesExtractor().extract(items).features


@pytest.mark.parametrize("shape", [(4,), (MOST,), (6, 2), (MOST // 2, 2)])
def test_items_of_up_to_1024_numbers_are_flattened(shape: tuple[int, ...]) -> None:
    items = RNG.random((7, *shape), np.float32)
    found = ValuesExtractor().extract(items)
    assert found.probabilities is None and found.features.dtype == np.float64
    np.testing.assert_array_equal(found.features, items.reshape(7, -1).astype(np.float64))


def test_long_vectors_are_averaged_over_the_shortest_blocks() -> None:
    items = RNG.random((3, 3 * 700), np.float32)
    np.testing.assert_allclose(features(items), items.reshape(3, 700, 3).mean(axis=2), rtol=1e-6)


def test_long_sequences_are_averaged_over_steps_and_not_over_columns() -> None:
    items = RNG.random((3, 400, 4), np.float32)  # 1600 numbers: two steps at a time
    expected = items.reshape(3, 200, 2, 4).mean(axis=2).reshape(3, 800)
    np.testing.assert_allclose(features(items), expected, rtol=1e-6)


def test_a_sequence_of_very_many_columns_becomes_one_step() -> None:
    items = RNG.random((2, 3, MOST + 1), np.float32)
    np.testing.assert_allclose(features(items), items.mean(axis=1), rtol=1e-6)


def test_progress_and_identity() -> None:
    seen: list[tuple[int, int]] = []
    ValuesExtractor().extract(RNG.random((5, 4)), lambda done, total: seen.append((done, total)))
    assert seen == [(5, 5)] and ValuesExtractor().identity == "values1024"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("items", "message"),
    [
        (np.zeros((0, 4)), r"values1024: items have shape \(0, 4\), expected \(N, length\) or \(N, steps, columns\)"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((2, 3, 4, 5)), r"shape \(2, 3, 4, 5\)"),
        (np.array([[[0.0, 1.0]], [[np.nan, 0.0]], [[0.0, np.inf]]]), "2 of 3 items are not finite"),
    ],
)
def test_bad_input_is_refused(items: np.ndarray, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        features(items)
