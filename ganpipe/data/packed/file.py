"""The packed file, schema `ganpipe/2`: one HDF5 file of fields, written once, then read through a memory map.

Every space is a group. It holds one dataset per field, all of equal length: fields of one space belong together row by
row, those of different spaces do not. The kind of a field decides its type and shape, rows first: image uint8
(n, h, w, c), vector float32 (n, d), label int64 (n,), attributes uint8 (n, k) of 0 and 1, sequence float32 (n, t, f),
tokens int32 (n, length), text int64 (n,), row int64 (n,). Kind, names and flip rule are attributes of the dataset;
count and splits (ranges of rows) are attributes of the group; provenance and content hash are attributes of the file.

Datasets are contiguous and uncompressed, so that a row lies at a known offset, unless compression was asked for.
A set may be spread over shards: complete packed files, each with consecutive rows of every space. The file
`manifest.json` beside them lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int64, Shaped

from ganpipe.core.spec import DataSpec, Field
from ganpipe.data.packed.columns import (
    MIRROR,
    Block,
    Column,
    Fingerprint,
    NewColumn,
    StoredField,
    Texts,
    blocks_of,
    canonical_json,
    ends,
    flip_rule,
    row_bytes,
)
from ganpipe.data.packed.hdf5 import new_file, new_group, plain_values, require_own, set_attributes
from ganpipe.data.packed.manifest import require_named, shards_of
from ganpipe.data.packed.texts import GROUP, Features, read_texts, write_texts
from ganpipe.errors import DataError
from ganpipe.files import replacing
from ganpipe.paths import MANIFEST

SCHEMA = "ganpipe/2"
HINTS = "hints"
"""Name of an attribute of the file, of those in `About.extra`: lines about what looks wrong, as a JSON list."""
ADVICE = "run `dvc repro pack`"

_NAME = re.compile("[A-Za-z0-9_-]+")  # of a field or a space
_AT_ONCE = 4  # ranges of rows read at the same time: keeps a disk busy
_SHARDS_AT_ONCE = 8  # shards hashed at the same time
_DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError)


@dataclass(frozen=True)
class About:
    """Provenance of a packed file; becomes attributes of the file."""

    name: str
    source: str
    licence: str
    citation: str
    transform: str
    extra: Mapping[str, str] = field(default_factory=dict)  # further attributes of the file by name


@dataclass(frozen=True)
class SpaceRows:
    """The rows of one space to be written.

    `blocks` are taken one at a time, so that a space larger than the memory can be streamed. `splits` maps names to
    [start, stop) rows; None: all rows are the split `train`.
    """

    count: int
    blocks: Iterable[Block]
    splits: Mapping[str, tuple[int, int]] | None = None

    @property
    def ranges(self) -> dict[str, range]:
        """The splits as ranges of rows."""
        splits = {"train": (0, self.count)} if self.splits is None else self.splits
        return {name: range(*rows) for name, rows in splits.items()}


def write_packed(
    path: Path,
    about: About,
    fields: Mapping[str, Field],
    spaces: Mapping[str, SpaceRows],
    compression: str | None = None,
    texts: Features | None = None,
) -> str:
    """Write a packed file to `path`, atomically, and return its content hash.

    `spaces` has the rows of every space that `fields` name, `texts` what the encoder says of the names of texts.
    `compression` is None, gzip or lzf. The same content and the same `about` give the same bytes. Raises `DataError`
    for labels without a class, `ValueError` where rows and fields do not fit.
    """
    fields = dict(sorted(fields.items()))
    _require_fitting_names(fields, spaces)
    fingerprint = Fingerprint(fields, texts)
    with replacing(path) as part, new_file(part) as file:
        for space, rows in sorted(spaces.items()):
            _write_space(
                file, space, {n: f for n, f in fields.items() if f.space == space}, rows, compression, fingerprint
            )
        write_texts(file, fields, texts, compression)
        content = fingerprint.sha256({space: rows.ranges for space, rows in spaces.items()})
        set_attributes(file, _attributes(about, content))
    return content


def _require_fitting_names(fields: Mapping[str, Field], spaces: Mapping[str, SpaceRows]) -> None:
    if {one.space for one in fields.values()} != spaces.keys():
        raise ValueError(f"fields of the spaces {[one.space for one in fields.values()]}, rows of {list(spaces)}")
    wrong = [name for name in (*fields, *spaces) if not _NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} will not do as the name of a field or a space")


def _write_space(
    file: h5py.File,
    space: str,
    fields: Mapping[str, Field],
    rows: SpaceRows,
    compression: str | None,
    fingerprint: Fingerprint,
) -> None:
    """Write the rows of a space block by block; hash and count them on the way."""
    group = new_group(file, space)
    columns = {name: NewColumn(group, name, one, rows.count, compression) for name, one in fields.items()}
    done = 0
    for block in rows.blocks:
        lengths = {name: len(values) for name, values in block.items()}
        if lengths.keys() != columns.keys() or len(set(lengths.values())) != 1:
            raise ValueError(f"a block of equally many rows of {', '.join(columns)} was due, got {lengths}")
        for name, column in columns.items():
            column.write(done, block[name])
        fingerprint.update(space, block)
        done += max(lengths.values())
    if done != rows.count:
        raise ValueError(f"space {space}: {rows.count} rows were announced, {done} written")
    splits = canonical_json({name: ends(part) for name, part in rows.ranges.items()})
    set_attributes(group, {"count": rows.count, "splits": splits})
    for name, column in columns.items():
        attributes = {
            "kind": fields[name].kind,
            "names": canonical_json(() if fields[name].kind == "text" else fields[name].names),
            "flip": flip_rule(fields[name]),
            "class_counts": canonical_json(column.class_counts),
        }
        set_attributes(column.dataset, attributes)


def _attributes(about: About, content: str) -> dict[str, str | int]:
    return {
        **about.extra,
        "schema": SCHEMA,
        "name": about.name,
        "source": about.source,
        "licence": about.licence,
        "citation": about.citation,
        "transform": about.transform,
        "content_sha256": content,
    }


class Packed:
    """A packed set, read-only. Keeps no open file, so it may be pickled, forked and shared between threads.

    `attributes` are those of the file, of the first shard where there are several.
    """

    def __init__(
        self,
        path: Path,
        advice: str,
        attributes: dict[str, Any],
        stored: Mapping[str, StoredField],
        splits: Mapping[str, Mapping[str, range]],
        shards: tuple[Packed, ...] = (),
        texts: Texts | None = None,
    ) -> None:
        self.path, self.attributes, self.shards, self.texts = path, attributes, shards, texts
        self._advice, self._stored, self._splits = advice, dict(sorted(stored.items())), splits
        self.name: str = attributes["name"]
        self.content_sha256: str = attributes["content_sha256"]

    @classmethod
    def open(cls, path: Path, advice: str = ADVICE) -> Packed:
        """Read the attributes and the layout of `path`, or of the shards that `manifest.json` beside it names.

        Raises `DataError` where something is missing, truncated, damaged or of another schema. The messages of this and
        of later reads end with `advice`: what would help. Rows are not read: see `verify`.
        """
        manifest = path.with_name(MANIFEST.name)
        if not path.is_file() and (shards := shards_of(manifest)):
            return cls._open_shards(manifest, shards, advice)
        return cls._open_file(path, advice)

    @classmethod
    def _open_file(cls, path: Path, advice: str) -> Packed:
        if not path.is_file():
            raise DataError(f"{path}: no such file; {advice}")
        if not h5py.is_hdf5(path):
            raise DataError(f"{path}: is no HDF5 file; {advice}")
        try:
            with h5py.File(path, "r") as file:
                attributes = plain_values(file.attrs)
                if attributes.get("schema") != SCHEMA:
                    raise DataError(f"{path}: schema {attributes.get('schema')!r} is not {SCHEMA!r}; {advice}")
                require_own(file, path.stat().st_size)
                spaces, texts = [space for space in file if space != GROUP], read_texts(file, path, advice)
                stored = {
                    name: StoredField.of(file[space][name], space, path, advice, texts)
                    for space in spaces
                    for name in file[space]
                }
                groups = {space: plain_values(file[space].attrs) for space in spaces}
            splits = {space: _ranges(json.loads(told["splits"])) for space, told in groups.items()}
            packed = cls(path, advice, attributes, stored, splits, texts=texts)
            packed._check({space: told["count"] for space, told in groups.items()})
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
            splits = {space: _ranges(told["splits"]) for space, told in content["spaces"].items()}
            return cls.join(manifest, shards, splits, content["content_sha256"])
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{manifest}: truncated or damaged ({_one_line(error)}); {advice}") from None

    @classmethod
    def join(
        cls, path: Path, shards: Sequence[Packed], splits: Mapping[str, Mapping[str, range]], content_sha256: str
    ) -> Packed:
        """Make one set of shards of consecutive rows. Raises `ValueError` where they do not belong together."""
        first = shards[0]
        odd = [shard.path.name for shard in shards if shard.fields != first.fields]
        if odd or splits.keys() != first._splits.keys():
            raise ValueError(f"{(odd or [path.name])[0]} is of another set")
        stored = {name: StoredField.joined([shard._stored[name] for shard in shards]) for name in first._stored}
        attributes = first.attributes | {"content_sha256": content_sha256}
        joined = cls(path, first._advice, attributes, stored, dict(splits), tuple(shards), first.texts)
        joined._check({space: joined.count(space) for space in joined.spaces})
        for space, parts in splits.items():
            start = 0
            for shard in shards:
                stop = start + shard.count(space)
                if shard.splits(space) != {name: clipped(rows, start, stop) for name, rows in parts.items()}:
                    raise ValueError(f"{shard.path.name} is of another set")
                start = stop
        return joined

    @property
    def fields(self) -> dict[str, Field]:
        """The fields by name, sorted."""
        return {name: stored.field for name, stored in self._stored.items()}

    @property
    def spec(self) -> DataSpec:
        """The description of the data that a system is given."""
        return DataSpec(name=self.name, fields=self.fields)

    @property
    def spaces(self) -> tuple[str, ...]:
        """The names of the spaces, sorted; progress is counted in rows of the first."""
        return tuple(sorted(self._splits))

    @property
    def mirrored(self) -> frozenset[str]:
        """The names of the fields that `data.flip` mirrors."""
        return frozenset(name for name, stored in self._stored.items() if stored.flip == MIRROR)

    @property
    def hints(self) -> tuple[str, ...]:
        """What looked wrong when the rows were packed: one line each."""
        return tuple(json.loads(self.attributes.get(HINTS, "[]")))

    def count(self, space: str) -> int:
        """Return the number of rows of a space."""
        return len(next(iter(self._columns(space).values())))

    def splits(self, space: str) -> Mapping[str, range]:
        """Return the splits of a space as ranges of its rows."""
        return self._splits[space]

    def rows(self, split: str, space: str) -> range:
        """Return the rows of a split; raise `DataError` where the space has none of that name."""
        splits = self._splits[space]
        if split not in splits:
            found = ", ".join(splits) or "none"
            raise DataError(f"{self.path}: the space {space!r} has no split {split!r}, only {found}")
        return splits[split]

    def row_bytes(self, space: str) -> int:
        """Return the size in bytes of one row of all fields of a space."""
        return sum(map(row_bytes, self._columns(space).values()))

    @property
    def nbytes(self) -> int:
        """The size of all rows in bytes."""
        return sum(self.row_bytes(space) * self.count(space) for space in self.spaces)

    def class_counts(self, field: str) -> list[int]:
        """Return how many rows of a label field have each of its classes."""
        return list(self._stored[field].class_counts)

    def read_rows(self, field: str, rows: Int64[np.ndarray, " n"]) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of any rows, in the order asked for."""
        return self._stored[field].column.read_rows(rows)

    def values(self, field: str, rows: Int64[np.ndarray, " n"]) -> Shaped[np.ndarray, "n ..."]:
        """Return what `to_network` takes of any rows: of texts what the encoder says, of other kinds `read_rows`."""
        found = self.read_rows(field, rows)
        texts = self.texts if self._stored[field].field.kind == "text" else None
        return found if texts is None else texts.features.read_rows(found)

    def slice(self, field: str, rows: range | None = None) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of consecutive rows; None: of all."""
        column = self._stored[field].column
        return column.slice(*((0, len(column)) if rows is None else ends(rows)))

    def read_ranges(self, field: str, ranges: Sequence[range]) -> Shaped[np.ndarray, "n ..."]:
        """Return a copy of several ranges of rows, laid end to end: the fastest way to read from a disk."""
        column = self._stored[field].column
        joined = np.empty((sum(map(len, ranges)), *column.shape[1:]), column.dtype)
        places = np.cumsum([0, *map(len, ranges)]).tolist()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda rows, at: column.copy_to(joined[at : at + len(rows)], rows.start), ranges, places))
        return joined

    def blocks(self, space: str, rows: range) -> Iterator[Block]:
        """Yield consecutive rows of every field of a space, in blocks of about 16 MiB."""
        return blocks_of(self._columns(space), rows)

    def verify(self) -> None:
        """Read every row and compare the content hash with that of the file and of the manifest beside it.

        Raises `DataError` naming the file where they differ.
        """
        if self.shards:
            with ThreadPoolExecutor(_SHARDS_AT_ONCE) as pool:
                list(pool.map(Packed._verify_rows, self.shards))
        else:
            self._verify_rows()
            require_named(self.path.with_name(MANIFEST.name), self.content_sha256, self._advice)

    def _verify_rows(self) -> None:
        found = Fingerprint(self.fields, None if self.texts is None else self.texts.whole)
        for space in self.spaces:
            for block in self.blocks(space, range(self.count(space))):
                found.update(space, block)
        if found.sha256(self._splits) != self.content_sha256:
            raise DataError(f"{self.path}: damaged: its rows do not give its content_sha256; {self._advice}")

    def _columns(self, space: str) -> dict[str, Column]:
        return {name: stored.column for name, stored in self._stored.items() if stored.field.space == space}

    def _check(self, counts: Mapping[str, int]) -> None:
        """Raise `ValueError` where the parts contradict each other."""
        for space, count in counts.items():
            lengths = {name: len(column) for name, column in self._columns(space).items()}
            if set(lengths.values()) != {count}:
                raise ValueError(f"{count} rows of the space {space!r} announced, found {lengths or 'none'}")
            splits = self._splits[space]
            if any(not 0 <= rows.start <= rows.stop <= count for rows in splits.values()):
                raise ValueError(f"splits {splits} do not fit {count} rows of the space {space!r}")
            ordered = sorted((rows for rows in splits.values() if rows), key=lambda rows: rows.start)
            if any(before.stop > after.start for before, after in zip(ordered, ordered[1:], strict=False)):
                raise ValueError(f"splits {splits} of the space {space!r} share rows")
        if not counts:
            raise ValueError("it holds no space")


def clipped(rows: range, start: int, stop: int) -> range:
    """Return the part of `rows` that lies in [start, stop), counted from `start`."""
    return range(min(max(rows.start, start), stop) - start, min(max(rows.stop, start), stop) - start)


def _ranges(splits: Mapping[str, Sequence[int]]) -> dict[str, range]:
    return {name: range(*rows) for name, rows in splits.items()}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
