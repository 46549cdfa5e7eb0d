"""Rows of the data for a generator that makes its output from a row: a picture to translate, a caption to draw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganpipe.core.batch import to_network
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.splits import held_out


class GivenRows:
    """The held-out rows of every space, in order, again from the first one after the last."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._rows = {space: held_out(packed, space) for space in packed.spaces}

    def count(self, space: str) -> int:
        """Return how many different rows of a space there are."""
        return len(self._rows[space])

    def rows(self, space: str) -> range:
        """Return the rows of a space: their numbers in the packed file."""
        return self._rows[space]

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        """Return `count` rows of a field from the row number `start` on, in network form on the CPU."""
        told = self._packed.fields[field]
        rows = self._rows[told.space]
        chosen = rows.start + np.arange(start, start + count) % len(rows)
        return to_network(told.kind, torch.from_numpy(self._packed.read_rows(field, chosen)))
