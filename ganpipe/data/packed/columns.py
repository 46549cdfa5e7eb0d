"""One field of a packed file: a dataset being written, read back through a memory map, and hashed.

Rows lie one after the other, without gaps, unless the file is compressed; then they lie in chunks of one block.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int64

from ganpipe.core.spec import STORED_TYPES, Encoder, Field, Kind
from ganpipe.data.packed.hdf5 import plain_values
from ganpipe.data.packed.order import block_rows
from ganpipe.errors import DataError

MIRROR, KEEP = "mirror", "keep"
"""The two flip rules: `data.flip` mirrors the field, or leaves it as it is."""

Block = Mapping[str, np.ndarray]
"""Consecutive rows of every field of one space, of equal length, in stored form."""

_PIECE_BYTES = 1 << 24  # read at once while hashing and copying


def flip_rule(field: Field) -> str:
    """Return the flip rule of a field: images are mirrored, fields of other kinds are kept."""
    return MIRROR if field.kind == "image" else KEEP


def piece_rows(row_bytes: int) -> int:
    """Return how many rows are copied at once: about 16 MiB, at least one."""
    return max(1, _PIECE_BYTES // max(1, row_bytes))


def length(block: Block) -> int:
    """Return the number of rows in a block."""
    return len(next(iter(block.values())))


class Fingerprint:
    """The hash of the content of a set: kinds, types, shapes, names and bytes of all fields, and the splits.

    Who packed it, with which packages and into how many files makes no difference.
    """

    def __init__(self, fields: Mapping[str, Field], texts: np.ndarray | None = None) -> None:
        """`texts` are the features of all texts in stored form, see `packed.texts`."""
        self._fields = fields
        self._texts = None if texts is None else hashlib.sha256(np.ascontiguousarray(texts, "<f2").data).hexdigest()
        self._hashes = {name: hashlib.sha256() for name in fields}
        self._counts: Counter[str] = Counter()

    def update(self, space: str, block: Block) -> None:
        """Add the next rows of every field of a space."""
        for name, rows in block.items():
            stored = np.ascontiguousarray(rows, dtype=stored_type(self._fields[name].kind))
            self._hashes[name].update(stored.data)
        self._counts[space] += length(block)

    def sha256(self, splits: Mapping[str, Mapping[str, range]]) -> str:
        """Return the hash of all rows so far; `splits` are those of every space by name."""
        content = {
            "fields": {name: self._described(name) for name in self._fields},
            "spaces": {
                space: {"count": self._counts[space], "splits": {name: ends(rows) for name, rows in parts.items()}}
                for space, parts in splits.items()
            },
        }
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()

    def _described(self, name: str) -> dict[str, Any]:
        field = self._fields[name]
        encoded = {"encoder": field.encoder and field.encoder.sha256, "features": self._texts}
        return (encoded if field.kind == "text" else {}) | {
            "kind": field.kind,
            "shape": field.shape,
            "names": field.names,
            "space": field.space,
            "dtype": stored_type(field.kind).str,
            "flip": flip_rule(field),
            "sha256": self._hashes[name].hexdigest(),
        }


class NewColumn:
    """One dataset being written; counts the classes of labels on the way."""

    def __init__(self, group: h5py.Group, name: str, field: Field, count: int, compression: str | None) -> None:
        self._name, self._field, self._row = name, field, field.stored_shape
        if field.kind == "attributes" and len(field.names) != field.shape[0]:
            raise ValueError(f"field {name}: {len(field.names)} names for attributes of shape {field.shape}")
        dtype = stored_type(field.kind)
        chunks = None
        if compression is not None:
            row_size = int(np.prod(self._row)) * dtype.itemsize
            chunks = (min(count, block_rows(row_size)), *self._row)
        self.dataset = group.create_dataset(
            name, (count, *self._row), dtype, chunks=chunks, compression=compression, track_times=False
        )
        self.class_counts = [0] * len(field.names) if field.kind == "label" else []

    def write(self, start: int, rows: np.ndarray) -> None:
        """Write rows from row `start` on.

        Raises `ValueError` where they do not fit, `DataError` for a label without a class.
        """
        fits = rows.dtype == STORED_TYPES[self._field.kind] and rows.shape[1:] == self._row
        if not fits or start + len(rows) > len(self.dataset):
            raise ValueError(f"field {self._name}: {rows.dtype} of {rows.shape} does not fit {self.dataset} at {start}")
        if self._field.kind in ("label", "text"):
            self._require_names(rows)
        if self._field.kind == "label":
            self._count(rows)
        self.dataset[start : start + len(rows)] = np.ascontiguousarray(rows, dtype=self.dataset.dtype)

    def _require_names(self, numbers: Int64[np.ndarray, " n"]) -> None:
        known = len(self._field.names)
        wrong = numbers[(numbers < 0) | (numbers >= known)]
        if len(wrong):
            names = "classes" if self._field.kind == "label" else "texts"
            raise DataError(f"field {self._name}: {self._field.kind} {wrong[0]} stands for none of its {known} {names}")

    def _count(self, labels: Int64[np.ndarray, " n"]) -> None:
        known = len(self.class_counts)
        self.class_counts = (np.bincount(labels, minlength=known) + self.class_counts).tolist()


@dataclass(frozen=True)
class StoredColumn:
    """Rows in one file. `offset` is None where they lie in chunks: compressed, or written so by another program.

    `advice` says at the end of an error what would help.
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

    def read_rows(self, rows: Int64[np.ndarray, " n"]) -> np.ndarray:
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
        return _sliced(self, start, stop)

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

    def read_rows(self, rows: Int64[np.ndarray, " n"]) -> np.ndarray:
        taken = np.empty((len(rows), *self.shape[1:]), self.dtype)
        files = np.searchsorted(self._starts, rows, side="right") - 1
        for file in np.unique(files).tolist():
            here = files == file
            taken[here] = self._parts[file].read_rows(rows[here] - self._starts[file])
        return taken

    def slice(self, start: int, stop: int) -> np.ndarray:
        return _sliced(self, start, stop)

    def copy_to(self, rows: np.ndarray, start: int) -> None:
        done = 0
        for number, first, last in self._parts_of(start, start + len(rows)):
            self._parts[number].copy_to(rows[done : done + last - first], first)
            done += last - first

    def _parts_of(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield the numbers of the files with rows [start, stop), each with the rows [first, last) in that file."""
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            begin, end = self._starts[number : number + 2].tolist()
            yield number, start - begin, min(stop, end) - begin
            start, number = end, number + 1


Column = StoredColumn | JoinedColumn


def _sliced(column: Column, start: int, stop: int) -> np.ndarray:
    rows = np.empty((len(range(len(column))[start:stop]), *column.shape[1:]), column.dtype)
    column.copy_to(rows, start)
    return rows


@dataclass(frozen=True)
class Texts:
    """The texts of a file by number, their features, and the encoder that these are of; see `packed.texts`."""

    names: tuple[str, ...]
    features: StoredColumn
    encoder: Encoder

    @property
    def whole(self) -> np.ndarray:
        """A copy of all features, float16 (texts, tokens, numbers)."""
        return self.features.slice(0, len(self.features))

    def field(self, space: str) -> Field:
        """Return a field whose rows are numbers of these texts."""
        shape = self.features.shape[1:]
        return Field(kind="text", shape=shape, names=self.names, space=space, encoder=self.encoder)


@dataclass(frozen=True)
class StoredField:
    """A field of a packed set with its rows."""

    field: Field
    column: Column
    flip: str
    class_counts: list[int]

    @classmethod
    def of(cls, dataset: h5py.Dataset, space: str, path: Path, advice: str, texts: Texts | None = None) -> StoredField:
        """Read the description of an open dataset and its texts. Raises `ValueError` where it contradicts itself."""
        told = plain_values(dataset.attrs)
        row = dataset.shape[1:]
        shape = (row[2], row[0], row[1]) if told["kind"] == "image" else row
        names = () if told["kind"] == "text" else tuple(json.loads(told["names"]))
        one = Field(kind=told["kind"], shape=shape, names=names, space=space)
        if one.kind == "text":
            if texts is None:
                raise ValueError(f"field {dataset.name} holds numbers of texts, but there are no texts")
            one = texts.field(space)
        if (dataset.dtype, row) != (stored_type(one.kind), one.stored_shape):
            raise ValueError(f"field {dataset.name} of kind {one.kind} holds {dataset.dtype} of shape {dataset.shape}")
        return cls(one, StoredColumn.of(dataset, path, advice), told["flip"], json.loads(told["class_counts"]))

    @classmethod
    def joined(cls, parts: Sequence[StoredField]) -> StoredField:
        """Join the parts of one field that lie in several files."""
        counts = np.sum([part.class_counts for part in parts], axis=0, dtype=int).tolist()
        return cls(parts[0].field, JoinedColumn([part.column for part in parts]), parts[0].flip, counts)


def row_bytes(column: Column) -> int:
    """Return the size of one row in bytes."""
    return int(np.prod(column.shape[1:])) * column.dtype.itemsize


def blocks_of(columns: Mapping[str, Column], rows: range) -> Iterator[Block]:
    """Yield consecutive rows of every column in blocks of about 16 MiB."""
    step = piece_rows(sum(map(row_bytes, columns.values())))
    for at in range(rows.start, rows.stop, step):
        yield {name: column.slice(at, min(rows.stop, at + step)) for name, column in columns.items()}


def stored_type(kind: Kind) -> np.dtype[Any]:
    """Return the data type of a kind in a file: little-endian on every machine."""
    return np.dtype(STORED_TYPES[kind]).newbyteorder("<")


def ends(rows: range) -> tuple[int, int]:
    """Return the first row and the row after the last one."""
    return rows.start, rows.stop


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, in which the same value is always the same text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
