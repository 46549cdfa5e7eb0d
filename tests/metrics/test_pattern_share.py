"""The 1010 pattern: what counts as valid."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.pattern import PatternExtractor, valid_pattern_share

GOOD = [0.9, 0.1, 0.9, 0.1]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_limits_are_inside(kind: type) -> None:
    assert valid_pattern_share(np.array([[0.8, 0.0, 1.0, 0.2], [1.0, 0.2, 0.8, 0.0], [1, 0, 1, 0]], dtype=kind)) == 1


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", [-0.01, 0.21, 0.5, 0.79, 1.01])
def test_one_number_outside_spoils_the_vector(place: int, value: float) -> None:
    vectors = np.array([GOOD, GOOD])
    vectors[1, place] = value
    assert valid_pattern_share(vectors) == 0.5


def test_share() -> None:
    assert valid_pattern_share(np.array([GOOD, GOOD, GOOD, [0, 1, 0, 1]])) == 0.75
    assert valid_pattern_share(np.array([[0.1, 0.9, 0.1, 0.9]])) == 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.empty((0, 4)), r"shape \(0, 4\)"),
        (np.ones((3, 5)), r"shape \(3, 5\), expected \(N, 4\)"),
        (np.ones(4), r"shape \(4,\)"),
        (np.array([GOOD, [np.nan] * 4, [np.inf] * 4]), "2 of 3 items are not finite"),
    ],
)
def test_bad_input_is_refused(vectors: np.ndarray, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        valid_pattern_share(vectors)
    with pytest.raises(MetricError, match=message):
        PatternExtractor().extract(vectors)


def test_extractor_gives_the_numbers_themselves() -> None:
    seen: list[tuple[int, int]] = []
    vectors = np.array([GOOD] * 3, dtype=np.float32)
    found = PatternExtractor().extract(vectors, lambda done, total: seen.append((done, total)))
    assert found.features.dtype == np.float64 and found.features.shape == (3, 4) and found.probabilities is None
    np.testing.assert_allclose(found.features, [GOOD] * 3, rtol=1e-6)
    assert seen == [(3, 3)] and PatternExtractor().identity == "pattern4"
