"""The diversity of samples: their distances from each other, in pixels, divided by the same distances of real items.

Two numbers tell two ways to collapse apart. The mean distance between two samples falls to 0 if all are one image, but
hardly changes if they are copies of ten. The distance to the nearest other sample falls in both cases.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from ganpipe.data.packed.file import Packed
from ganpipe.metrics.distances import mean_and_nearest


class Diversity:
    """Compares samples with `items` real ones: rows of `field`, drawn with `seed` from the training split."""

    def __init__(self, packed: Packed, field: str, items: int, seed: int) -> None:
        rows = packed.rows("train", packed.fields[field].space)
        chosen = np.random.default_rng(seed).choice(len(rows), min(items, len(rows)), replace=False)
        self._real = mean_and_nearest(packed.read_rows(field, np.sort(chosen) + rows.start))

    def of(self, fake: Shaped[np.ndarray, "n ..."]) -> dict[str, float]:
        """Return the columns of the history: a distance between samples over the same distance between real items.

        `fake` holds samples in the stored form of `field`. A column is absent if its distance of real items is 0.
        """
        ratios = zip(("diversity", "diversity_nearest"), self._real, mean_and_nearest(fake), strict=True)
        return {name: ours / theirs for name, theirs, ours in ratios if theirs > 0}
