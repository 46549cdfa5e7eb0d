"""One pass of an extractor over many items, part by part, so that a set may be larger than the memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64, Shaped

from ganpipe.metrics.extractors.interface import Extracted, Extractor, OnProgress
from ganpipe.progress import Progress, progress

ROWS = 512
"""Items in memory at a time: a multiple of every extractor's batch, so that no batch is split."""

Items = Shaped[np.ndarray, "n ..."]
Reader = Callable[[Int64[np.ndarray, " n"]], Items]
"""Returns the items of the rows it is given, in their order."""


def extract(extractor: Extractor, read: Reader, rows: Int64[np.ndarray, " n"], title: str) -> Extracted:
    """Return the features of `rows`, with a progress bar titled `title`.

    On one thread: with more, the last bits of features change.
    """
    torch.set_num_threads(1)
    found = []
    with progress(title, total=len(rows), unit="img") as bar:
        for start in range(0, len(rows), ROWS):
            part = read(rows[start : start + ROWS])
            found.append(extractor.extract(part, advancing(bar, start)))
    probabilities = [part.probabilities for part in found if part.probabilities is not None]
    features = np.concatenate([part.features for part in found])
    return Extracted(features, np.concatenate(probabilities) if probabilities else None)


def advancing(bar: Progress, before: int = 0) -> OnProgress:
    """Return a callback for an extractor, which moves the bar to `before` plus the items that it has done."""
    return lambda done, _: bar.advance(before + done - bar.done)
