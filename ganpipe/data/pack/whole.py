"""A whole set in memory, as raw files that hold it at once are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ganpipe.data.packed.columns import Block

Splits = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Table:
    """A whole set in memory: the rows of every field, its splits as [start, stop) rows, names only the files know."""

    columns: Block
    splits: Splits
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by field
