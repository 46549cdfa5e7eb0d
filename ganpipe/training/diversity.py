"""How different the samples of a generator are from each other, compared with real items: by pixels, without a network.

Two numbers, since there are two ways to collapse. The mean distance between two samples falls to 0 when all are one
image, but hardly moves when they are copies of ten. The distance to the nearest other sample falls in both cases.
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

        `fake` holds samples as `field` stores them. A column is absent where the real items do not differ either.
        """
        ratios = zip(("diversity", "diversity_nearest"), self._real, mean_and_nearest(fake), strict=True)
        return {name: ours / theirs for name, theirs, ours in ratios if theirs > 0}
