"""How different the samples of a generator are from each other, compared with real items: by pixels, without a network.

Two numbers, since there are two ways to collapse. The mean distance between two samples falls to nothing when all are
one image, but hardly moves when they are copies of ten. The distance to the nearest other sample falls in both cases.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from ganpipe.data.packed.file import Packed

_COLUMNS_AT_A_TIME = 1 << 16  # of 64 items in float64: 32 MiB


class Diversity:
    """Compares samples with `items` real ones of the training split, which the seed alone decides."""

    def __init__(self, packed: Packed, items: int, seed: int) -> None:
        rows = packed.rows("train")
        chosen = np.random.default_rng(seed).choice(len(rows), min(items, len(rows)), replace=False)
        self._real = distances(packed.read(np.sort(chosen) + rows.start, packed.kind))

    def of(self, fake: Shaped[np.ndarray, "n ..."]) -> dict[str, float]:
        """Return the columns of the history, each the ratio of a distance between samples to that between real items.

        A column is absent where the real items do not differ either.
        """
        ratios = zip(("diversity", "diversity_nearest"), self._real, distances(fake), strict=True)
        return {name: ours / theirs for name, theirs, ours in ratios if theirs > 0}


def distances(items: Shaped[np.ndarray, "n ..."]) -> tuple[float, float]:
    """Return the mean Euclidean distance between two items, and from an item to its nearest other; 0 for a single one.

    Of pixels, sums of squares are whole numbers and so exact in whatever order they are added.
    """
    if len(items) < 2:
        return 0.0, 0.0
    flat = items.reshape(len(items), -1)
    products = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], _COLUMNS_AT_A_TIME):
        part = flat[:, start : start + _COLUMNS_AT_A_TIME].astype(np.float64)
        products += part @ part.T
    return _mean_and_nearest(products)


def has_choice(latents: Shaped[Tensor, "n ..."]) -> bool:
    """Whether a generator is asked for different items: one that is fed a constant has no diversity to be judged."""
    return bool((latents != latents[:1]).any())


def _mean_and_nearest(products: Float[np.ndarray, "n n"]) -> tuple[float, float]:
    squares = np.diag(products)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0))
    mean = apart[np.triu_indices(len(apart), 1)].mean()
    np.fill_diagonal(apart, np.inf)
    return float(mean), float(apart.min(axis=1).mean())
