"""What every extractor offers: samples in, features (and class probabilities) out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Shaped

INCEPTION = "inception-2015-12-05@6726825d"
"""Identity of Inception with its published weights, under which alone scores are called `fid`, `kid` and `is`."""

Progress = Callable[[int, int], None]
"""Called now and then with (samples done, samples in all)."""


@dataclass(frozen=True)
class Extracted:
    """What one pass over a set of samples gave."""

    features: Float64[np.ndarray, "n d"]
    probabilities: Float64[np.ndarray, "n classes"] | None = None  # None: the extractor knows no classes


@runtime_checkable
class Extractor(Protocol):
    """Turns stored samples into features; a pure function of the samples, whatever their order or grouping."""

    @property
    def identity(self) -> str:
        """Name and version: two values are comparable only if they were computed under the same identity."""
        ...

    def extract(self, samples: Shaped[np.ndarray, "n ..."], /, progress: Progress | None = None) -> Extracted:
        """Return the features of uint8 NHWC images (`pattern`: float vectors). Raises `MetricError`."""
        ...
