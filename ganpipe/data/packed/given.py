"""Rows of the data for a generator that makes its output from a row: a picture to translate, a caption to draw."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ganpipe.core.batch import to_network
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.splits import held_out, training_rows
from ganpipe.data.packed.targets import UNKNOWN, Chosen, target_rows

_SEED = 0


class GivenRows:
    """The held-out rows of every space in a mixed order, again from the first one after the last; of texts, all rows.

    The order is the same for all spaces of equally many rows, whose rows may belong together. It is mixed because rows
    are often sorted by class: the first ones alone would show and score a few classes.

    A text that was learned from can be drawn anew. So where all that a generator is given are texts, the rows that were
    learned from and those of every other split take turns, and each turn comes twice: two drawings of a text show how
    much noise changes.
    """

    def __init__(self, packed: Packed, given: Collection[str] = ()) -> None:
        """`given` are the fields that the generator is given."""
        self._packed = packed
        texts = bool(given) and all(packed.fields[field].kind == "text" for field in given)
        self._order = {
            space: _in_turns(packed, space) if texts else _held_out(packed, space) for space in packed.spaces
        }

    def count(self, space: str) -> int:
        """Return how many different rows of a space there are."""
        return len(self._order[space])

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        """Return `count` rows of a field from `start` on in this order, in network form on the CPU."""
        told = self._packed.fields[field]
        return self._read(field, self.numbers(told.space, start, count))

    def numbers(self, space: str, start: int, count: int) -> Int64[np.ndarray, " n"]:
        """Return the numbers in the packed file of the rows that `fetch` returns."""
        order = self._order[space]
        return order[np.arange(start, start + count) % len(order)]

    def wanted(self, field: str, source: str, start: int, count: int, chosen: Chosen) -> Tensor | None:
        """Return what should be made like `field` of the rows that `fetch` returns of `source`; None: it is not known.

        In network form on the CPU. `chosen` are the choices of each item, see `targets.target_rows`.
        """
        rows = target_rows(
            self._packed, field, source, self.numbers(self._packed.fields[source].space, start, count), chosen
        )
        return None if rows is None or (rows == UNKNOWN).any() else self._read(field, rows)

    def own(self, field: str, names: Sequence[str], start: int, count: int) -> Tensor:
        """Return what the rows that `fetch` returns have by themselves in a field: their label, their attributes.

        Of attributes only the columns of these `names`.
        """
        values, told = self.fetch(field, start, count), self._packed.fields[field]
        return values if told.kind != "attributes" else values[:, [told.names.index(name) for name in names]]

    def texts(self, field: str, start: int, count: int) -> Sequence[str]:
        """Return the rows that `fetch` returns of a field of texts as people read them."""
        told = self._packed.fields[field]
        rows = self.numbers(told.space, start, count)
        return [told.names[number] for number in self._packed.read_rows(field, rows)]

    def _read(self, field: str, rows: Int64[np.ndarray, " n"]) -> Tensor:
        return to_network(self._packed.fields[field].kind, torch.from_numpy(self._packed.values(field, rows)))


def _held_out(packed: Packed, space: str) -> Int64[np.ndarray, " n"]:
    return np.random.default_rng(_SEED).permutation(np.array(held_out(packed, space), np.int64))


def _in_turns(packed: Packed, space: str) -> Int64[np.ndarray, " n"]:
    """Return one row of each split in turn, in mixed order; those of smaller splits come again."""
    others = [rows for split, rows in packed.splits(space).items() if split != "train" and rows]
    parts = [training_rows(packed, [space])[space], *(others or [held_out(packed, space)])]
    mixed = [np.random.default_rng(_SEED).permutation(np.array(rows, np.int64)) for rows in parts]
    turns = np.stack([np.resize(rows, max(map(len, parts))) for rows in mixed], axis=1)
    return np.repeat(turns, 2, axis=0).ravel()
