"""Packed files for tests, made of plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganpipe.core.spec import Field, Kind
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed

KINDS: dict[tuple[str, int], Kind] = {
    ("uint8", 4): "image",
    ("float32", 2): "vector",
    ("int64", 1): "label",
    ("uint8", 2): "attributes",
    ("float32", 3): "sequence",
    ("int32", 2): "tokens",
}


def about(name: str = "a test", transform: str = "none") -> About:
    return About(name, "a source", "CC0", "nobody", transform)


def field_of(values: np.ndarray, names: tuple[str, ...] = (), space: str = "items") -> Field:
    """Describe an array by its type and dimensions; labels get as many classes as they need."""
    kind = KINDS[values.dtype.name, values.ndim]
    row = values.shape[1:]
    if kind == "label" and not names:
        names = tuple(map(str, range(int(values.max(initial=0)) + 1)))
    return Field(kind=kind, shape=(row[2], row[0], row[1]) if kind == "image" else row, names=names, space=space)


def write_set(
    path: Path,
    spaces: Mapping[str, Mapping[str, np.ndarray]],
    names: Mapping[str, tuple[str, ...]] | None = None,
    splits: Mapping[str, Mapping[str, tuple[int, int]]] | None = None,
    name: str = "a test",
    compression: str | None = None,
) -> Packed:
    """Write a packed file of columns by space and field, and open it."""
    fields = {
        field: field_of(values, (names or {}).get(field, ()), space)
        for space, columns in spaces.items()
        for field, values in columns.items()
    }
    rows = {
        space: SpaceRows(len(next(iter(columns.values()))), [columns], (splits or {}).get(space))
        for space, columns in spaces.items()
    }
    write_packed(path, about(name), fields, rows, compression)
    return Packed.open(path)
