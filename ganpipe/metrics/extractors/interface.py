"""The interface of an extractor: it turns samples into features and, if it is a classifier, class probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Shaped

INCEPTION = "inception-2015-12-05@6726825d"
"""Identity of Inception with its published weights, under which alone scores are called `fid`, `kid` and `is`."""

OnProgress = Callable[[int, int], None]
"""Called at intervals with (samples done, samples in all)."""


@dataclass(frozen=True)
class Extracted:
    """The features of a set of samples, with their class probabilities."""

    features: Float64[np.ndarray, "n d"]
    probabilities: Float64[np.ndarray, "n classes"] | None = None  # None: the extractor is no classifier


@runtime_checkable
class Extractor(Protocol):
    """Turns stored samples into features. The features of a sample depend on that sample only."""

    @property
    def identity(self) -> str:
        """Name and version: two values are comparable only if they were computed under the same identity."""
        ...

    def extract(self, samples: Shaped[np.ndarray, "n ..."], /, on_progress: OnProgress | None = None) -> Extracted:
        """Return the features of uint8 NHWC images, or of float vectors or sequences. Raises `MetricError`."""
        ...
