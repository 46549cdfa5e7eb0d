"""Which rows a training learns from, and which ones are given to a generator that makes its output from a row.

Imports no torch: the preflight and the params can ask too.
"""

from __future__ import annotations

from collections.abc import Collection

from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError

_MOST = 1000
"""At most this number of rows is held out of `train` where there is no other split."""
_ENOUGH = 16
"""A small set holds out this number of rows, if they are no more than a quarter: scores need some to compare."""


def held_out(packed: Packed, space: str) -> range:
    """Return the rows of a space that previews and samples are made from, which no training learns from.

    They are the split `test`, else the split `valid`, else the last rows of `train`: a tenth, at most 1000, and of a
    small set 16 or a quarter, whichever is less. Raises `DataError` where there is no row.
    """
    for split in ("test", "valid"):
        if rows := packed.splits(space).get(split):
            return rows
    rows = packed.rows("train", space)
    if not rows:
        raise DataError(f"{packed.path}: the split 'train' of the space {space!r} has no rows")
    return rows[-max(1, min(_MOST, len(rows) // 10), min(_ENOUGH, len(rows) // 4)) :]


def training_rows(packed: Packed, given: Collection[str]) -> dict[str, range]:
    """Return the rows of every space that a training learns from: the split `train`.

    In the spaces that `given` names, those of the fields that a system is given, it lacks the rows of `held_out`.
    Raises `DataError` where no row is left.
    """
    rows = {space: packed.rows("train", space) for space in packed.spaces}
    for space in given:
        kept = held_out(packed, space)
        if kept and rows[space] and kept.stop == rows[space].stop:
            rows[space] = range(rows[space].start, kept.start)
        if not rows[space]:
            raise DataError(
                f"{packed.path}: the only row of the split train in the space {space!r} is held out for samples, so "
                "none is left to learn from; give one more row, or a split test"
            )
    return rows
