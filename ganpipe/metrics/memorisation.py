"""Whether a generator repeats itself or its training data."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from jaxtyping import Shaped

from ganpipe.metrics.distances import Neighbourhood, Points, distance_rows


def duplicate_share(items: Shaped[np.ndarray, "n ..."]) -> float:
    """Return the share of items that are the same, number for number, as one before them: 0 when all differ."""
    return 1 - len(different(items)) / len(items)


def different(items: Shaped[np.ndarray, "n ..."]) -> set[bytes]:
    """Return the hashes of the items: as many as there are different ones."""
    return {hashlib.sha256(item.tobytes()).digest() for item in items}


def copied_share(real: Neighbourhood, fake: Points) -> float:
    """Return the share of fakes that lie nearer to a real than that real lies to any other real.

    One minus the authenticity of Alaa et al. 2022, arXiv:2102.08921, section 4.3: 1 for copies of these reals. New data
    of the same distribution score about a half (less in few dimensions), so that the value says something beside that
    of held-out reals only. Copies among the reals have no room around them and are never found to be copied.
    """
    room = real.radii(1)
    copied = []
    for _, rows in distance_rows(fake, real.points):
        nearest = rows.min(dim=1)
        copied.append(nearest.values < room[nearest.indices])
    return float(torch.cat(copied).double().mean())
