"""One role of a packed file: a dataset being written, read back through a memory map, and hashed.

Rows lie one after the other, without gaps, unless the file is compressed; then they lie in chunks of one block.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int64

from ganpipe.data.packed.blocks import block_rows
from ganpipe.errors import DataError

ROLES = {"image": ("uint8", 4), "vector": ("float32", 2), "label": ("int64", 1), "attributes": ("uint8", 2)}
"""Data type and number of dimensions, rows included, of every role."""

Block = Mapping[str, np.ndarray]
"""Consecutive rows of every role, of equal length."""

_PIECE_BYTES = 1 << 24  # read at once while hashing and copying


def piece_rows(row_bytes: int) -> int:
    """Return how many rows are copied at once: about 16 MiB, at least one."""
    return max(1, _PIECE_BYTES // max(1, row_bytes))


def length(block: Block) -> int:
    """Return the number of rows in a block."""
    return len(next(iter(block.values())))


class Fingerprint:
    """The hash of what data is: roles, types, shapes, bytes, splits, names; not who packed it into which files."""

    def __init__(self) -> None:
        self._hashes: dict[str, Any] = {}
        self._rows: dict[str, tuple[int, ...]] = {}
        self._types: dict[str, str] = {}
        self._count = 0

    def update(self, block: Block) -> None:
        """Add the next rows of every role."""
        for role, rows in block.items():
            stored = np.ascontiguousarray(rows, dtype=stored_type(role))
            self._hashes.setdefault(role, hashlib.sha256()).update(stored.data)
            self._rows[role], self._types[role] = rows.shape[1:], stored.dtype.str
        self._count += length(block)

    def sha256(self, splits: Mapping[str, Sequence[int]], classes: Sequence[str], attributes: Sequence[str]) -> str:
        """Return the hash of all rows so far under these splits and names."""
        columns = {
            role: {"dtype": self._types[role], "shape": (self._count, *self._rows[role]), "sha256": hashed.hexdigest()}
            for role, hashed in self._hashes.items()
        }
        content: dict[str, Any] = {"columns": columns, "splits": splits, "classes": classes}
        if attributes:
            content["attributes"] = attributes
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()


class NewColumn:
    """One dataset being written."""

    def __init__(self, group: h5py.Group, role: str, count: int, first: np.ndarray, compression: str | None) -> None:
        """`first` is a block of rows: the first one sets the shape of a row."""
        dtype, dimensions = ROLES[role]
        if first.ndim != dimensions:
            raise ValueError(f"role {role} has {dimensions} dimensions, got {first.shape}")
        self._role, self._row = role, first.shape[1:]
        chunks = None
        if compression is not None:
            row_bytes = int(np.prod(self._row)) * first.dtype.itemsize
            chunks = (min(count, block_rows(row_bytes)), *self._row)
        self._dataset = group.create_dataset(
            role, (count, *self._row), stored_type(role), chunks=chunks, compression=compression, track_times=False
        )

    def write(self, start: int, rows: np.ndarray) -> None:
        """Write rows from row `start` on. Raises `ValueError` where they do not fit."""
        if rows.dtype != ROLES[self._role][0] or rows.shape[1:] != self._row or start + len(rows) > len(self._dataset):
            raise ValueError(f"role {self._role}: {rows.dtype} of {rows.shape} does not fit {self._dataset} at {start}")
        self._dataset[start : start + len(rows)] = np.ascontiguousarray(rows, dtype=self._dataset.dtype)


@dataclass(frozen=True)
class StoredColumn:
    """Rows in one file. `offset` is None where they lie in pieces: compressed, or chunked by another program.

    `advice` ends the message where they cannot be read.
    """

    path: Path
    advice: str
    dataset: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int | None

    @classmethod
    def of(cls, dataset: h5py.Dataset, path: Path, advice: str) -> StoredColumn:
        """Remember where the rows of an open dataset lie."""
        return cls(path, advice, dataset.name, dataset.dtype, dataset.shape, dataset.id.get_offset())

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def _mapped(self) -> np.ndarray:
        return np.memmap(self.path, self.dtype, "r", self.offset or 0, self.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def read(self, rows: Int64[np.ndarray, " n"]) -> np.ndarray:
        """Return a copy of any rows, in the order asked for."""
        if self.offset is not None:
            return np.asarray(self._mapped[rows])
        taken = np.empty((len(rows), *self.shape[1:]), self.dtype)
        size = block_rows(row_bytes(self))
        for block in np.unique(rows // size).tolist():
            here = rows // size == block
            taken[here] = self.slice(block * size, (block + 1) * size)[rows[here] - block * size]
        return taken

    def slice(self, start: int, stop: int) -> np.ndarray:
        """Return a copy of consecutive rows."""
        rows = np.empty((len(range(len(self))[start:stop]), *self.shape[1:]), self.dtype)
        self.copy_to(rows, start)
        return rows

    def copy_to(self, rows: np.ndarray, start: int) -> None:
        """Fill `rows` with consecutive rows from row `start` on. Raises `DataError` where they cannot be read.

        Not through the memory map: from a disk that reads less at a time, at half the speed.
        """
        try:
            if self.offset is None:
                with h5py.File(self.path, "r") as packed:
                    rows[:] = packed[self.dataset][start : start + len(rows)]
                return
            with self.path.open("rb") as file:
                file.seek(self.offset + start * row_bytes(self))
                if file.readinto(rows.data) < rows.nbytes:
                    raise OSError("it ends too early")
        except (OSError, RuntimeError, KeyError) as error:
            raise DataError(f"{self.path}: damaged ({' '.join(str(error).split())}); {self.advice}") from None


class JoinedColumn:
    """Columns of several files, read as one with the methods of `StoredColumn`."""

    def __init__(self, parts: Sequence[StoredColumn | JoinedColumn]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.dtype: np.dtype[Any] = parts[0].dtype
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, rows: Int64[np.ndarray, " n"]) -> np.ndarray:
        taken = np.empty((len(rows), *self.shape[1:]), self.dtype)
        homes = np.searchsorted(self._starts, rows, side="right") - 1
        for home in np.unique(homes).tolist():
            here = homes == home
            taken[here] = self._parts[home].read(rows[here] - self._starts[home])
        return taken

    def slice(self, start: int, stop: int) -> np.ndarray:
        rows = np.empty((len(range(len(self))[start:stop]), *self.shape[1:]), self.dtype)
        self.copy_to(rows, start)
        return rows

    def copy_to(self, rows: np.ndarray, start: int) -> None:
        done = 0
        for number, first, last in self._within(start, start + len(rows)):
            self._parts[number].copy_to(rows[done : done + last - first], first)
            done += last - first

    def _within(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield the parts that rows [start, stop) lie in, with [first, last) counted from the start of each."""
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            begin, end = self._starts[number : number + 2].tolist()
            yield number, start - begin, min(stop, end) - begin
            start, number = end, number + 1


Column = StoredColumn | JoinedColumn


def row_bytes(column: Column) -> int:
    """Return the size of one row in bytes."""
    return int(np.prod(column.shape[1:])) * column.dtype.itemsize


def blocks_of(columns: Mapping[str, Column], start: int, stop: int) -> Iterator[Block]:
    """Yield the rows [start, stop) of every role in blocks of about 16 MiB."""
    step = piece_rows(sum(map(row_bytes, columns.values())))
    for at in range(start, stop, step):
        yield {role: column.slice(at, min(stop, at + step)) for role, column in columns.items()}


def stored_type(role: str) -> np.dtype[Any]:
    """Return the data type of a role in a file: little-endian on every machine."""
    return np.dtype(ROLES[role][0]).newbyteorder("<")


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, in which the same value is always the same text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
