"""The `tones` extractor: statistics of music in windows of tones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ganpipe.core.tones import TONE
from ganpipe.metrics.extractors.interface import Extracted, OnProgress
from ganpipe.metrics.extractors.values import require_finite_items
from ganpipe.metrics.tones import statistics


class TonesExtractor:
    """The statistics of `metrics.tones`, then mean and standard deviation of each column of the tones: 14 numbers."""

    identity = "tones14"

    def extract(self, items: Float[np.ndarray, "n tones 4"], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return float64 features (N, 14), no probabilities. Raises `MetricError` as `require_finite_items` does."""
        require_finite_items(items, self.identity)
        values = items.astype(np.float64)
        assert values.shape[-1] == len(TONE)  # the table of extractors asks for these columns
        features = np.concatenate([statistics(values), values.mean(axis=1), values.std(axis=1)], axis=1)
        if on_progress is not None:
            on_progress(len(items), len(items))
        return Extracted(features)
