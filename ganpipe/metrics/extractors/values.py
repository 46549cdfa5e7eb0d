"""The `values` extractor: numbers as they are, of vectors and sequences."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch.nn.functional import adaptive_avg_pool1d

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.interface import Extracted, OnProgress

MOST = 1024
"""Most numbers per item, where averaging over steps can bring it down to that."""


class ValuesExtractor:
    """The numbers of a vector or a sequence, flattened.

    An item of more than `MOST` numbers is averaged over blocks of consecutive numbers of a vector, or of consecutive
    steps of a sequence column by column: the shortest blocks that leave at most `MOST`. A sequence of more than `MOST`
    columns is averaged to a single step.
    """

    identity = f"values{MOST}"

    def extract(self, items: Float[np.ndarray, "n ..."], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return float64 features (N, d), no probabilities. Raises `MetricError` as `require_finite_items` does."""
        require_finite_items(items, self.identity)
        features = _averaged(items)
        if on_progress is not None:
            on_progress(len(items), len(items))
        return Extracted(features)


def require_finite_items(items: Float[np.ndarray, "*shape"], name: str) -> None:
    """Raise `MetricError` unless `items` are (N, d) vectors or (N, t, f) sequences, finite, with N at least 1."""
    if items.ndim not in (2, 3) or items.size == 0:
        raise MetricError(f"{name}: items have shape {items.shape}, expected (N, length) or (N, steps, columns)")
    bad = len(items) - int(np.isfinite(items.reshape(len(items), -1)).all(axis=1).sum())
    if bad:
        raise MetricError(f"{name}: {bad} of {len(items)} items are not finite (NaN or infinity)")


def _averaged(items: Float[np.ndarray, "n ..."]) -> Float64[np.ndarray, "n d"]:
    steps = items.shape[1]
    columns = items[0, 0].size
    block = 1
    while -(-steps // block) * columns > MOST and block < steps:
        block += 1
    values = items.reshape(len(items), steps, columns).astype(np.float64)
    if block > 1:
        by_column = torch.from_numpy(values).transpose(1, 2)
        values = adaptive_avg_pool1d(by_column, -(-steps // block)).transpose(1, 2).numpy()
    return values.reshape(len(items), -1)
