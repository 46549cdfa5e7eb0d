"""HDF5 files whose bytes depend on their content alone, with checksums over all metadata."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_ALIGNMENT = 4096  # bytes: a page, so that mapped rows of any type are aligned


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """Create an HDF5 file whose bytes depend on its content alone; the format of 1.10 adds checksums to metadata."""
    creation = _untimed(h5py.h5p.FILE_CREATE)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_alignment(1024, _ALIGNMENT)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    with h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fcpl=creation, fapl=access)) as file:
        yield file


def new_group(file: h5py.File, name: str) -> h5py.Group:
    """Create a group that does not record when it was made."""
    return h5py.Group(h5py.h5g.create(file.id, name.encode(), gcpl=_untimed(h5py.h5p.GROUP_CREATE)))


def set_attributes(target: h5py.HLObject, values: Mapping[str, str | int]) -> None:
    """Store texts with a fixed length: HDF5 has no checksums for texts of variable length."""
    for name, value in values.items():
        if isinstance(value, str):
            encoded = value.encode()
            target.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))
        else:
            target.attrs[name] = value


def plain_values(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as Python numbers and texts."""
    return {name: _plain(value) for name, value in attributes.items()}


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value


def _untimed(kind: Any) -> Any:
    """Return a property list for objects that do not record when they were made."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties
