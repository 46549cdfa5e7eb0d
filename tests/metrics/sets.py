"""Small packed sets and files of samples, written from arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ganpipe.core.spec import Field, Kind
from ganpipe.data.packed.file import About, Packed, SpaceRows, write_packed
from ganpipe.paths import MANIFEST

Columns = Mapping[str, tuple[Field, np.ndarray]]


def column(
    values: np.ndarray, kind: Kind = "image", names: tuple[str, ...] = (), space: str = "items"
) -> tuple[Field, np.ndarray]:
    """A field with its rows, as they are stored."""
    row = values.shape[1:]
    shape = (row[2], row[0], row[1]) if kind == "image" else row
    return Field(kind=kind, shape=shape, names=names, space=space), values


def write_set(
    path: Path,
    columns: Columns,
    splits: Mapping[str, tuple[int, int]] | None = None,
    name: str = "toy",
    extra: Mapping[str, str] = {},
) -> Packed:
    """Pack columns, with the same splits in every space."""
    fields = {title: field for title, (field, _) in columns.items()}
    spaces = {}
    for space in {field.space for field in fields.values()}:
        block = {title: values for title, (field, values) in columns.items() if field.space == space}
        spaces[space] = SpaceRows(len(next(iter(block.values()))), [block], splits)
    about = About(name=name, source="", licence="", citation="", transform="", extra=dict(extra))
    write_packed(path, about, fields, spaces)
    path.with_name(MANIFEST.name).unlink(missing_ok=True)  # of another set
    return Packed.open(path)


def write_samples(path: Path, columns: Columns, outputs: Mapping[str, str]) -> Packed:
    """Write a samples.h5 as the sample stage does."""
    return write_set(path, columns, name="samples", extra={"outputs": json.dumps(dict(outputs))})
