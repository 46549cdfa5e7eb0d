"""HDF5 files whose bytes depend on their content alone, with checksums over all metadata."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_ALIGNMENT = 4096  # bytes: a page, so that mapped rows of any type are aligned
_MAX_EXPANSION = 1100  # of stored bytes: deflate reaches 1032
_MAX_CHUNK = 1 << 30  # bytes that are expanded at once


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


def require_own(file: h5py.File, size: int) -> None:
    """Raise `ValueError` where the groups of an open file of `size` bytes do not hold their datasets themselves.

    HDF5 can name places in any other file: links, external storage, virtual datasets. A foreign file could so have
    whatever its reader may read packed, hashed and published. It can also declare any number of rows in a few bytes.
    """
    for group in _hard_linked(file):
        if not isinstance(group, h5py.Group):
            raise ValueError(f"{group.name} lies beside the groups")
        for dataset in _hard_linked(group):
            if not isinstance(dataset, h5py.Dataset):
                raise ValueError(f"{dataset.name} is no dataset")
            _require_stored(dataset, size)


def _hard_linked(group: h5py.Group) -> Iterator[h5py.HLObject]:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name.rstrip('/')}/{name} is a link to another place, not data of this file")
        yield group[name]


def _require_stored(dataset: h5py.Dataset, size: int) -> None:
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"the rows of {dataset.name} lie in another file")
    if dataset.dtype.hasobject:
        raise ValueError(f"{dataset.name} holds values of no fixed length")
    stored, declared = min(dataset.id.get_storage_size(), size), dataset.size * dataset.dtype.itemsize
    most = stored if dataset.chunks is None else stored * _MAX_EXPANSION
    if declared > most or math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize > _MAX_CHUNK:
        raise ValueError(
            f"{dataset.name} declares {dataset.shape} of {dataset.dtype}, but only {stored} bytes are here"
        )


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
