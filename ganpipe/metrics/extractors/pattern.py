"""The `pattern` extractor for the 1010 pattern: four numbers, ones at positions 0 and 2, zeros at 1 and 3."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.interface import Extracted, OnProgress
from ganpipe.metrics.extractors.values import ValuesExtractor, require_finite_items

LENGTH = 4
TOLERANCE = 0.2


def valid_pattern_share(vectors: Float[np.ndarray, "n 4"]) -> float:
    """Return the share of vectors whose ones all lie in [0.8, 1] and whose zeros all lie in [0, 0.2].

    Raises `MetricError` for no vectors, another length or values that are not finite.
    """
    _check(vectors)
    ones, zeros = vectors[:, 0::2], vectors[:, 1::2]
    return float((_between(ones, 1 - TOLERANCE, 1.0) & _between(zeros, 0.0, TOLERANCE)).mean())


class PatternExtractor(ValuesExtractor):
    """Takes the four numbers themselves as features. `valid_pattern_share` is reported beside its distances."""

    identity = f"pattern{LENGTH}"

    def extract(self, vectors: Float[np.ndarray, "n 4"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return the vectors in float64. Raises `MetricError` as `valid_pattern_share` does."""
        _check(vectors)
        return super().extract(vectors, on_progress)


def _between(values: Float[np.ndarray, "n 2"], low: float, high: float) -> Bool[np.ndarray, " n"]:
    """Whether a whole row lies in [low, high]; numpy 2 compares in the type of `values`, so float32 0.2 is 0.2."""
    return np.asarray(((values >= low) & (values <= high)).all(axis=1))


def _check(vectors: Float[np.ndarray, "n 4"]) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != LENGTH or len(vectors) == 0:
        raise MetricError(f"pattern: vectors have shape {vectors.shape}, expected (N, {LENGTH}) with at least one")
    require_finite_items(vectors, "pattern")
