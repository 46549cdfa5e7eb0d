"""One pass of an extractor over many items, with a part of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64, Shaped

from ganpipe.metrics.extractors.interface import Extracted, Extractor
from ganpipe.metrics.extractors.interface import Progress as Callback
from ganpipe.progress import Progress, progress

ROWS = 512
"""Items in memory at a time: a multiple of every extractor's batch, so that no batch is split."""

Items = Shaped[np.ndarray, "n ..."]
Reader = Callable[[Int64[np.ndarray, " n"]], Items]
"""Returns the items of these rows, in their order."""


def extract(extractor: Extractor, read: Reader, rows: Int64[np.ndarray, " n"], title: str) -> Extracted:
    """Return what an extractor makes of `rows`, with a progress bar.

    On one thread: more of them change the last bits of what is compared.
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


def advancing(bar: Progress, before: int = 0) -> Callback:
    """Return a callback that takes (done, total) and moves the bar to what was done `before`, plus `done`."""
    return lambda done, _: bar.advance(before + done - bar.done)
