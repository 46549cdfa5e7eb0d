"""The packed file, schema `ganpipe/1`: one HDF5 file of paired columns, written once, then read through a memory map.

The group `/items` holds one dataset per role, all of equal length: `image` uint8 (n, h, w, c), `vector` float32 (n, d),
`label` int64 (n,), `attributes` uint8 (n, k) of 0 and 1. Datasets are contiguous and uncompressed, so that a row lies
at a known offset, unless compression was asked for. Splits are ranges of rows, in an attribute of the group; everything
else worth knowing is in the attributes of the file.

A set may be spread over shards, each a complete packed file of consecutive rows; `manifest.json` beside names them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from jaxtyping import Int64, Shaped

from ganpipe.data.catalogue.dataset import Kind
from ganpipe.data.packed.columns import (
    ROLES,
    Block,
    Column,
    Fingerprint,
    JoinedColumn,
    NewColumn,
    StoredColumn,
    blocks_of,
    canonical_json,
    row_bytes,
)
from ganpipe.data.packed.hdf5 import new_file, new_group, plain_value, set_attributes
from ganpipe.errors import DataError
from ganpipe.files import replacing
from ganpipe.paths import MANIFEST

if TYPE_CHECKING:
    from ganpipe.core.batch import DataSpec

SCHEMA = "ganpipe/1"
SPACE = "items"
ADVICE = "run `dvc repro pack`"

_PACKAGES = ("ganpipe", "h5py", "numpy", "pillow")
_READERS = 8  # shards hashed at the same time
_AT_ONCE = 4  # ranges of rows read at the same time: keeps a disk busy
_DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError)


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
    attributes: tuple[str, ...] = ()  # names of the columns of the role `attributes`


def write_packed(
    path: Path,
    about: About,
    count: int,
    blocks: Iterable[Block],
    splits: Mapping[str, tuple[int, int]] | None = None,
    compression: str | None = None,
) -> str:
    """Write `count` rows to `path`, atomically, and return the content hash.

    `blocks` are taken one at a time, so that a set larger than the memory can be streamed; the first one sets the
    roles and the shape of a row. `splits` maps names to [start, stop) rows; None: all rows are the split `train`.
    `compression` is None, gzip or lzf. The same content and package versions give the same bytes. Raises `DataError`
    for labels without a class.
    """
    ranges = {"train": (0, count)} if splits is None else dict(splits)
    with replacing(path) as part, new_file(part) as file:
        group = new_group(file, SPACE)
        writer = _Writer(group, about, count, compression)
        for block in blocks:
            writer.append(block)
        content = writer.content_sha256(ranges)
        set_attributes(group, {"splits": canonical_json(ranges)})
        set_attributes(file, _attributes(about, count, writer.class_counts, content))
    return content


class _Writer:
    """Appends blocks to the columns of a group; checks, counts and hashes them on the way."""

    def __init__(self, group: h5py.Group, about: About, count: int, compression: str | None) -> None:
        self._group, self._about, self._count, self._compression = group, about, count, compression
        self._columns: dict[str, NewColumn] = {}
        self._fingerprint = Fingerprint()
        self._done = 0
        self.class_counts = [0] * len(about.classes)

    def append(self, block: Block) -> None:
        if not self._columns:
            self._columns = {role: self._column(role, block[role]) for role in sorted(block)}
        lengths = {role: len(rows) for role, rows in block.items()}
        if lengths.keys() != self._columns.keys() or len(set(lengths.values())) != 1:
            raise ValueError(f"a block of equally many rows of {', '.join(self._columns)} was due, got {lengths}")
        for role, column in self._columns.items():
            column.write(self._done, block[role])
        self._fingerprint.update(block)
        self._done += max(lengths.values())
        if "label" in block:
            self._count_classes(block["label"])

    def content_sha256(self, splits: Mapping[str, tuple[int, int]]) -> str:
        if self._done != self._count:
            raise ValueError(f"{self._about.name}: {self._count} rows were announced, {self._done} written")
        return self._fingerprint.sha256(splits, self._about.classes, self._about.attributes)

    def _column(self, role: str, first: np.ndarray) -> NewColumn:
        if role == "attributes" and first.shape[1:] != (len(self._about.attributes),):
            raise ValueError(f"{len(self._about.attributes)} attributes have names, got {first.shape}")
        return NewColumn(self._group, role, self._count, first, self._compression)

    def _count_classes(self, labels: Int64[np.ndarray, " n"]) -> None:
        known = len(self.class_counts)
        wrong = labels[(labels < 0) | (labels >= known)]
        if len(wrong):
            raise DataError(f"{self._about.name}: label {wrong[0]} stands for none of its {known} classes")
        self.class_counts = (np.bincount(labels, minlength=known) + self.class_counts).tolist()


def _attributes(about: About, count: int, class_counts: list[int], content: str) -> dict[str, str | int]:
    return {
        "schema": SCHEMA,
        "name": about.name,
        "kind": about.kind,
        "count": count,
        "classes": canonical_json(about.classes),
        "class_counts": canonical_json(class_counts),
        "attributes": canonical_json(about.attributes),
        "source": about.source,
        "licence": about.licence,
        "citation": about.citation,
        "transform": about.transform,
        "content_sha256": content,
        "versions": canonical_json({package: version(package) for package in _PACKAGES}),
    }


class Packed:
    """A packed set, read-only. Keeps no open file, so it may be pickled, forked and shared between threads.

    `shape` is that of `DataSpec`; `splits` maps names to ranges of rows; `attributes` are those of the file, of the
    first shard where there are several.
    """

    def __init__(
        self,
        path: Path,
        advice: str,
        attributes: dict[str, Any],
        columns: Mapping[str, Column],
        splits: dict[str, range],
        shards: tuple[Packed, ...] = (),
    ) -> None:
        self.path, self.attributes, self.splits, self.shards, self._columns = path, attributes, splits, shards, columns
        self._advice = advice
        self.name: str = attributes["name"]
        self.kind: Kind = attributes["kind"]
        self.classes: tuple[str, ...] = tuple(json.loads(attributes["classes"]))
        self.class_counts: list[int] = json.loads(attributes["class_counts"])
        self.attribute_names: tuple[str, ...] = tuple(json.loads(attributes["attributes"]))
        self.content_sha256: str = attributes["content_sha256"]

    @classmethod
    def open(cls, path: Path, advice: str = ADVICE) -> Packed:
        """Read the attributes and the layout of `path`, or of the shards that `manifest.json` beside it names.

        Raises `DataError` where something is missing, truncated, damaged or of another schema; this message and those
        of later reads end with `advice`, what would help. Rows are not read: see `verify`.
        """
        manifest = path.with_name(MANIFEST.name)
        if not path.is_file() and (shards := _shards_of(manifest)):
            return cls._open_shards(manifest, shards, advice)
        return cls._open_file(path, advice)

    @classmethod
    def _open_file(cls, path: Path, advice: str) -> Packed:
        if not path.is_file():
            raise DataError(f"{path}: no such file; {advice}")
        try:
            with h5py.File(path, "r") as file:
                attributes = {"attributes": "[]"} | {name: plain_value(value) for name, value in file.attrs.items()}
                if attributes.get("schema") != SCHEMA:
                    raise DataError(f"{path}: schema {attributes.get('schema')!r} is not {SCHEMA!r}; {advice}")
                group = file[SPACE]
                columns = {role: StoredColumn.of(group[role], path, advice) for role in group if role in ROLES}
                splits = {name: range(*ends) for name, ends in json.loads(plain_value(group.attrs["splits"])).items()}
            packed = cls(path, advice, attributes, columns, splits)
            packed._check()
        except _DAMAGE as error:
            raise DataError(f"{path}: truncated or damaged ({_one_line(error)}); {advice}") from None
        return packed

    @classmethod
    def _open_shards(cls, manifest: Path, listed: list[Any], advice: str) -> Packed:
        try:
            shards = [cls._open_file(manifest.with_name(str(entry["file"])), advice) for entry in listed]
            content = json.loads(manifest.read_text(encoding="utf-8"))
            for shard, entry in zip(shards, listed, strict=True):
                if shard.content_sha256 != entry["content_sha256"]:
                    raise ValueError(f"it names another {shard.path.name} than the one beside it")
            splits = {name: range(*ends) for name, ends in content["splits"].items()}
            return cls.join(manifest, shards, splits, content["content_sha256"])
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DataError(f"{manifest}: truncated or damaged ({_one_line(error)}); {advice}") from None

    @classmethod
    def join(cls, path: Path, shards: Sequence[Packed], splits: Mapping[str, range], content_sha256: str) -> Packed:
        """Make one set of shards of consecutive rows. Raises `ValueError` where they do not belong together."""
        columns = {role: JoinedColumn([shard._columns[role] for shard in shards]) for role in shards[0].roles}
        counts = np.sum([shard.class_counts for shard in shards], axis=0, dtype=int).tolist()
        attributes = shards[0].attributes | {
            "count": sum(map(len, shards)),
            "class_counts": canonical_json(counts),
            "content_sha256": content_sha256,
        }
        joined = cls(path, shards[0]._advice, attributes, columns, dict(splits), tuple(shards))
        joined._check()
        start = 0
        for shard in shards:
            due = {name: clipped(rows, start, start + len(shard)) for name, rows in splits.items()}
            if due != shard.splits or (shard.classes, shard.shape) != (joined.classes, joined.shape):
                raise ValueError(f"{shard.path.name} is of another set")
            start += len(shard)
        return joined

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

        return DataSpec(
            name=self.name, kind=self.kind, shape=self.shape, classes=self.classes, attributes=self.attribute_names
        )

    @property
    def row_bytes(self) -> int:
        """Size of one row of all roles in bytes."""
        return sum(map(row_bytes, self._columns.values()))

    @property
    def nbytes(self) -> int:
        """Size of all rows in bytes."""
        return self.row_bytes * len(self)

    def rows(self, split: str) -> range:
        """Return the rows of a split; raise `DataError` where the set has none of that name."""
        if split not in self.splits:
            raise DataError(f"{self.path}: has no split {split!r}, only {', '.join(self.splits) or 'none'}")
        return self.splits[split]

    def some(self, split: str, most: int, seed: int) -> Int64[np.ndarray, " n"]:
        """Return up to `most` rows of a split, drawn with `seed`, in order. Raises `DataError` as `rows` does."""
        rows = self.rows(split)
        return rows.start + np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])

    def read(self, rows: Int64[np.ndarray, " n"], role: str) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of any rows, in the order asked for."""
        return self._columns[role].read(rows)

    def all(self, role: str, rows: range | None = None) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of consecutive rows; None: of all."""
        start, stop = (rows.start, rows.stop) if rows is not None else (0, len(self))
        return self._columns[role].slice(start, stop)

    def gather(self, role: str, pieces: Sequence[range]) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of several ranges of rows, laid end to end: the fastest way to read from a disk."""
        column = self._columns[role]
        joined = np.empty((sum(map(len, pieces)), *column.shape[1:]), column.dtype)
        places = np.cumsum([0, *map(len, pieces)]).tolist()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda rows, at: column.copy_to(joined[at : at + len(rows)], rows.start), pieces, places))
        return joined

    def blocks(self, rows: range) -> Iterator[Block]:
        """Yield consecutive rows of every role, in blocks of about 16 MiB."""
        return blocks_of(self._columns, rows.start, rows.stop)

    def verify(self) -> None:
        """Read every row and compare the content hash; raise `DataError` naming the file where they differ."""
        if self.shards:
            with ThreadPoolExecutor(_READERS) as pool:
                list(pool.map(Packed.verify, self.shards))
            return
        found = Fingerprint()
        for block in self.blocks(range(len(self))):
            found.update(block)
        splits = {name: (rows.start, rows.stop) for name, rows in self.splits.items()}
        if found.sha256(splits, self.classes, self.attribute_names) != self.content_sha256:
            raise DataError(f"{self.path}: damaged: its rows do not give its content_sha256; {self._advice}")

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


def clipped(rows: range, start: int, stop: int) -> range:
    """Return the part of `rows` that lies in [start, stop), counted from `start`."""
    return range(min(max(rows.start, start), stop) - start, min(max(rows.stop, start), stop) - start)


def _shards_of(manifest: Path) -> list[Any]:
    """Return what a manifest says about shards; nothing where there is none, or no manifest that can be read."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return list(content["shards"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
