"""The packed file, schema `ganpipe/1`: one HDF5 file of paired columns, written once, then read through a memory map.

The group `/items` holds one dataset per role, all of equal length: `image` uint8 (n, h, w, c), `vector` float32 (n, d),
`label` int64 (n,). Datasets are contiguous and uncompressed, so that a row lies at a known offset. Splits are ranges of
rows, in an attribute of the group; everything else worth knowing is in the attributes of the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from jaxtyping import Int64, Shaped

from ganpipe.data.dataset import Kind
from ganpipe.errors import DataError
from ganpipe.files import replacing

if TYPE_CHECKING:
    from ganpipe.core.batch import DataSpec

SCHEMA = "ganpipe/1"
SPACE = "items"
ROLES = {"image": ("uint8", 4), "vector": ("float32", 2), "label": ("int64", 1)}
"""Data type and number of dimensions, rows included, of every role."""

Block = Mapping[str, np.ndarray]
"""Consecutive rows of every role, of equal length."""

_PACKAGES = ("ganpipe", "h5py", "numpy", "pillow")
_ALIGNMENT = 4096  # bytes: a page, so that mapped rows of any type are aligned


@dataclass(frozen=True)
class About:
    """What a packed file holds and whose it is; becomes attributes of the file."""

    name: str
    kind: Kind
    source: str
    licence: str
    citation: str
    transform: str
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, ...; empty: unlabelled


def write_packed(
    path: Path, about: About, count: int, blocks: Iterable[Block], splits: Mapping[str, tuple[int, int]] | None = None
) -> str:
    """Write `count` rows to `path`, atomically, and return the content hash.

    `blocks` are taken one at a time, so that a set larger than the memory can be streamed; the first one sets the
    roles and the shape of a row. `splits` maps names to [start, stop) rows; None: all rows are the split `train`.
    The same content and package versions give the same bytes. Raises `DataError` for labels without a class.
    """
    ranges = {"train": (0, count)} if splits is None else dict(splits)
    with replacing(path) as part, _new_file(part) as file:
        group = h5py.Group(h5py.h5g.create(file.id, SPACE.encode(), gcpl=_untimed(h5py.h5p.GROUP_CREATE)))
        writer = _Writer(group, about, count)
        for block in blocks:
            writer.append(block)
        content = _content_sha256(writer.describe(), ranges, about.classes)
        _set_attributes(group, {"splits": _json(ranges)})
        _set_attributes(file, _attributes(about, count, writer.class_counts, content))
    return content


class _Writer:
    """Appends blocks to the columns of a group; checks and counts them on the way."""

    def __init__(self, group: h5py.Group, about: About, count: int) -> None:
        self._group, self._about, self._count = group, about, count
        self._columns: dict[str, _Column] = {}
        self._done = 0
        self.class_counts = [0] * len(about.classes)

    def append(self, block: Block) -> None:
        if not self._columns:
            self._columns = {role: _Column(self._group, role, self._count, block[role]) for role in sorted(block)}
        lengths = {role: len(rows) for role, rows in block.items()}
        if lengths.keys() != self._columns.keys() or len(set(lengths.values())) != 1:
            raise ValueError(f"a block of equally many rows of {', '.join(self._columns)} was due, got {lengths}")
        for role, column in self._columns.items():
            column.write(self._done, block[role])
        self._done += max(lengths.values())
        if "label" in block:
            self._count_classes(block["label"])

    def describe(self) -> dict[str, Any]:
        if self._done != self._count:
            raise ValueError(f"{self._about.name}: {self._count} rows were announced, {self._done} written")
        return {role: column.describe() for role, column in self._columns.items()}

    def _count_classes(self, labels: Int64[np.ndarray, " n"]) -> None:
        known = len(self.class_counts)
        wrong = labels[(labels < 0) | (labels >= known)]
        if len(wrong):
            raise DataError(f"{self._about.name}: label {wrong[0]} stands for none of its {known} classes")
        self.class_counts = (np.bincount(labels, minlength=known) + self.class_counts).tolist()


class _Column:
    """One dataset being written, hashed on the way."""

    def __init__(self, group: h5py.Group, role: str, count: int, first: np.ndarray) -> None:
        dtype, dimensions = ROLES[role]
        self._role, self._row = role, first.shape[1:]
        self._dataset = group.create_dataset(role, (count, *self._row), _stored_type(dtype), track_times=False)
        self._hash = hashlib.sha256()
        if first.ndim != dimensions:
            raise ValueError(f"role {role} has {dimensions} dimensions, got {first.shape}")

    def write(self, start: int, rows: np.ndarray) -> None:
        if rows.dtype != ROLES[self._role][0] or rows.shape[1:] != self._row or start + len(rows) > len(self._dataset):
            raise ValueError(f"role {self._role}: {rows.dtype} of {rows.shape} does not fit {self._dataset} at {start}")
        stored = np.ascontiguousarray(rows, dtype=self._dataset.dtype)
        self._dataset[start : start + len(rows)] = stored
        self._hash.update(stored.data)

    def describe(self) -> dict[str, Any]:
        return {"dtype": self._dataset.dtype.str, "shape": self._dataset.shape, "sha256": self._hash.hexdigest()}


def _stored_type(dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype).newbyteorder("<")


def _attributes(about: About, count: int, class_counts: list[int], content: str) -> dict[str, str | int]:
    return {
        "schema": SCHEMA,
        "name": about.name,
        "kind": about.kind,
        "count": count,
        "classes": _json(about.classes),
        "class_counts": _json(class_counts),
        "source": about.source,
        "licence": about.licence,
        "citation": about.citation,
        "transform": about.transform,
        "content_sha256": content,
        "versions": _json({package: version(package) for package in _PACKAGES}),
    }


def _set_attributes(target: h5py.Group, values: Mapping[str, str | int]) -> None:
    """Store texts with a fixed length: those of variable length lie outside what HDF5 checksums."""
    for name, value in values.items():
        if isinstance(value, str):
            encoded = value.encode()
            target.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))
        else:
            target.attrs[name] = value


class Packed:
    """A packed file, read-only. Keeps no open file, so it may be pickled, forked and shared between threads.

    `shape` is that of `DataSpec`; `splits` maps names to ranges of rows; `attributes` are those of the file.
    """

    def __init__(
        self, path: Path, attributes: dict[str, Any], columns: dict[str, _Stored], splits: dict[str, range]
    ) -> None:
        self.path, self.attributes, self.splits, self._columns = path, attributes, splits, columns
        self.name: str = attributes["name"]
        self.kind: Kind = attributes["kind"]
        self.classes: tuple[str, ...] = tuple(json.loads(attributes["classes"]))
        self.class_counts: list[int] = json.loads(attributes["class_counts"])
        self.content_sha256: str = attributes["content_sha256"]

    @classmethod
    def open(cls, path: Path, stage: str = "pack") -> Packed:
        """Read the attributes and the layout of `path`, not its rows.

        Raises `DataError` where it is missing, truncated, damaged or of another schema; the message advises to run
        `stage`, which should have made it.
        """
        advice = f"run `dvc repro {stage}`"
        if not path.is_file():
            raise DataError(f"{path}: no such file; {advice}")
        try:
            with h5py.File(path, "r") as file:
                attributes = {name: _plain(value) for name, value in file.attrs.items()}
                if attributes.get("schema") != SCHEMA:
                    raise DataError(f"{path}: schema {attributes.get('schema')!r} is not {SCHEMA!r}; {advice}")
                group = file[SPACE]
                columns = {role: _Stored.of(group[role], path) for role in group if role in ROLES}
                splits = {name: range(*ends) for name, ends in json.loads(_plain(group.attrs["splits"])).items()}
            packed = cls(path, attributes, columns, splits)
            packed._check()
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise DataError(f"{path}: truncated or damaged ({_one_line(error)}); {advice}") from None
        return packed

    def __len__(self) -> int:
        return len(self._columns[self.kind])

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are stored, sorted."""
        return tuple(sorted(self._columns))

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width) of an image, (length,) of a vector."""
        row = self._columns[self.kind].shape[1:]
        return (row[2], row[0], row[1]) if self.kind == "image" else row

    @property
    def spec(self) -> DataSpec:
        """What a system is told about the data. Imports torch."""
        from ganpipe.core.batch import DataSpec

        return DataSpec(name=self.name, kind=self.kind, shape=self.shape, classes=self.classes)

    @property
    def nbytes(self) -> int:
        """Size of all rows in bytes."""
        return sum(column.nbytes for column in self._columns.values())

    def rows(self, split: str) -> range:
        """Return the rows of a split; raise `DataError` where the file has none of that name."""
        if split not in self.splits:
            raise DataError(f"{self.path}: has no split {split!r}, only {', '.join(self.splits) or 'none'}")
        return self.splits[split]

    def read(self, rows: Int64[np.ndarray, " n"], role: str) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of any rows, in the order asked for."""
        return self._columns[role].read(rows)

    def all(self, role: str, rows: range | None = None) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of consecutive rows; None: of all."""
        start, stop = (rows.start, rows.stop) if rows is not None else (0, len(self))
        return self._columns[role].slice(start, stop)

    def verify(self, stage: str = "pack") -> None:
        """Read every row and compare the content hash; raise `DataError` where they differ."""
        described = {role: column.describe() for role, column in self._columns.items()}
        splits = {name: (rows.start, rows.stop) for name, rows in self.splits.items()}
        if _content_sha256(described, splits, self.classes) != self.content_sha256:
            raise DataError(f"{self.path}: damaged: its rows do not give its content_sha256; run `dvc repro {stage}`")

    def _check(self) -> None:
        """Raise `ValueError` where the parts contradict each other."""
        lengths = {role: len(column) for role, column in self._columns.items()}
        if self.kind not in lengths or set(lengths.values()) != {self.attributes["count"]}:
            raise ValueError(f"{self.attributes['count']} rows of kind {self.kind!r} announced, found {lengths}")
        for role, column in self._columns.items():
            if (column.dtype, len(column.shape)) != ROLES[role]:
                raise ValueError(f"role {role} holds {column.dtype} of shape {column.shape}")
        if any(not 0 <= rows.start <= rows.stop <= len(self) for rows in self.splits.values()):
            raise ValueError(f"splits {self.splits} do not fit {len(self)} rows")


@dataclass(frozen=True)
class _Stored:
    """Where the rows of one role lie. `offset` is None where they lie in pieces (chunked by another program)."""

    path: Path
    dataset: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int | None

    @classmethod
    def of(cls, dataset: h5py.Dataset, path: Path) -> _Stored:
        return cls(path, dataset.name, dataset.dtype, dataset.shape, dataset.id.get_offset())

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @cached_property
    def _mapped(self) -> np.ndarray:
        return np.memmap(self.path, self.dtype, "r", self.offset or 0, self.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def read(self, rows: Int64[np.ndarray, " n"]) -> np.ndarray:
        if self.offset is not None:
            return np.asarray(self._mapped[rows])
        with h5py.File(self.path, "r") as file:
            dataset = file[self.dataset]
            return np.stack([dataset[row] for row in rows]) if len(rows) else np.empty((0, *self.shape[1:]), self.dtype)

    def slice(self, start: int, stop: int) -> np.ndarray:
        if self.offset is not None:
            return np.array(self._mapped[start:stop])
        with h5py.File(self.path, "r") as file:
            return np.asarray(file[self.dataset][start:stop])

    def describe(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        step = max(1, (1 << 24) * len(self) // max(1, self.nbytes))  # rows in 16 MiB
        for start in range(0, len(self), step):
            digest.update(np.ascontiguousarray(self.slice(start, start + step)).data)
        return {"dtype": self.dtype.str, "shape": self.shape, "sha256": digest.hexdigest()}


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """Create an HDF5 file whose bytes depend on its content alone; the format of 1.10 adds checksums to metadata."""
    creation = _untimed(h5py.h5p.FILE_CREATE)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_alignment(1024, _ALIGNMENT)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    with h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fcpl=creation, fapl=access)) as file:
        yield file


def _untimed(kind: Any) -> Any:
    """Return a property list for objects that do not record when they were made."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


def _content_sha256(columns: Mapping[str, Any], splits: Mapping[str, Any], classes: tuple[str, ...]) -> str:
    """Hash what the data is: roles, types, shapes, bytes, splits, classes; not who packed it with what."""
    return hashlib.sha256(_json({"columns": columns, "splits": splits, "classes": classes}).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
