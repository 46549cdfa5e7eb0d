"""From raw files to rows ready to be written: read or decoded, transformed, sorted by split and name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.pack.decode import Rows, decoded
from ganpipe.data.pack.images import SUFFIXES, Transform, UnreadableError
from ganpipe.data.pack.layouts import SPLITS, TRAIN, Item, read_items
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.tables import Splits, is_table, read_table
from ganpipe.data.packed.columns import Block, length, piece_rows
from ganpipe.errors import ConfigError, DataError
from ganpipe.paths import PARAMS
from ganpipe.progress import progress


@dataclass(frozen=True)
class Gathered:
    """The rows of a set in packed order, `take` returning any of them by number, and what is said about them."""

    count: int
    splits: Splits
    classes: tuple[str, ...]
    transform: str
    take: Callable[[Int64[np.ndarray, " n"]], Block]

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Yield the rows [start, stop) in blocks of about 16 MiB."""
        first = self.take(np.arange(1))
        step = piece_rows(sum(rows.nbytes for rows in first.values()))
        for at in range(start, stop, step):
            yield self.take(np.arange(at, min(stop, at + step)))


@contextmanager
def gathered(
    dataset: Dataset, data: Data, raw: Path, scratch: Path, workers: int | None, bad: Quarantine
) -> Iterator[Gathered]:
    """Lend the rows of a set while the block lasts; decoded images lie in a file of the folder `scratch` for that long.

    Images that cannot be used go to `bad`. Raises `DataError` and `ConfigError`.
    """
    if is_table(dataset):
        yield _from_table(dataset, data, raw)
        return
    with NamedTemporaryFile(dir=scratch, prefix=".rows-", suffix=".part") as file:  # no two packings share a name
        yield _from_images(dataset, data, raw, Path(file.name), workers, bad)


def transform_of(dataset: Dataset, data: Data) -> Transform:
    """Return what packing does to each image: what the params say, else what suits the set.

    A crop asked for without a size is not resized, a whole picture neither.
    """
    own_size = dataset.size if data.crop is None else None
    return Transform(
        crop=data.crop if data.crop is not None else dataset.crop,
        size=data.size if data.size is not None else own_size,
        channels=data.channels or (dataset.shape[0] if dataset.shape else 3),
    )


def _from_table(dataset: Dataset, data: Data, raw: Path) -> Gathered:
    asked = [key for key in ("crop", "size", "channels") if getattr(data, key) is not None]
    if asked and dataset.kind != "image":
        raise ConfigError(f"{PARAMS}: data.{asked[0]} is for images, but data.name = {dataset.name!r} holds vectors")
    table = read_table(dataset, raw)
    columns = dict(table.columns)
    if asked:
        columns["image"] = _transformed(columns["image"], transform_of(dataset, data), raw)
    text = str(transform_of(dataset, data)) if asked else dataset.transform

    def take(rows: Int64[np.ndarray, " n"]) -> Block:
        return {role: values[rows] for role, values in columns.items()}

    return Gathered(length(columns), table.splits, dataset.classes, text, take)


def _transformed(images: UInt8[np.ndarray, "n h w c"], transform: Transform, raw: Path) -> UInt8[np.ndarray, "n y x d"]:
    pictures = (Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels) for pixels in images)
    try:
        return np.stack([transform.of_image(picture) for picture in pictures])
    except UnreadableError as problem:
        raise DataError(f"{raw}: an image {problem}; lower data.crop in {PARAMS}") from None


def _from_images(dataset: Dataset, data: Data, raw: Path, file: Path, workers: int | None, bad: Quarantine) -> Gathered:
    rows = Rows(file, transform_of(dataset, data))
    pile = _Pile(bad)
    with (
        progress(f"Decoding {dataset.name}", dataset.count, "img") as bar,
        closing(decoded(read_items(dataset, raw), rows, workers)) as results,
    ):
        for item, problem in results:
            pile.add(item, problem)
            bar.advance()
    pile.keep_classed()
    if not pile.kept:
        raise DataError(f"{raw}: holds no image that can be used; their names should end in {', '.join(SUFFIXES)}")
    return pile.sorted(dataset, rows)


@dataclass
class _Pile:
    """What is known of all images beside their pixels, in the order in which they came, which is that of the rows."""

    bad: Quarantine
    names: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    folders: list[str | None] = field(default_factory=list)
    attributes: list[Any] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)

    @property
    def kept(self) -> list[int]:
        """The rows that can be used."""
        return [row for row in range(len(self.names)) if row not in self.left_out]

    def add(self, item: Item, problem: str | None) -> None:
        self.names.append(item.name)
        self.splits.append(item.split)
        self.folders.append(item.folder and sys.intern(item.folder))  # a few names for millions of images
        self.attributes.append(item.attributes)
        if problem is not None:
            self._leave_out(len(self.names) - 1, problem)

    def keep_classed(self) -> None:
        """Leave out images beside the folders of classes, if there are such folders."""
        beside = [row for row in self.kept if self.folders[row] is None]
        if len(beside) < len(self.kept):
            for row in beside:
                self._leave_out(row, "lies in no folder of a class")

    def _leave_out(self, row: int, reason: str) -> None:
        self.left_out.add(row)
        self.bad.add(self.names[row], reason)

    def sorted(self, dataset: Dataset, rows: Rows) -> Gathered:
        """Return the rows by split, then by name: the same whatever the order of the archive."""
        order = np.array(sorted(self.kept, key=lambda row: (SPLITS.index(self.splits[row]), self.names[row])))
        classes = dataset.classes or tuple(sorted({folder for row in self.kept if (folder := self.folders[row])}))
        small = self._small_columns(classes, order)
        assert rows.shape is not None  # some image could be used
        pixels = np.memmap(rows.path, np.uint8, "r", shape=(order.max() + 1, *rows.shape))

        def take(wanted: Int64[np.ndarray, " n"]) -> Block:
            images = np.asarray(pixels[order[wanted]])
            return {"image": images} | {role: values[wanted] for role, values in small.items()}

        return Gathered(len(order), self._ranges(dataset, order), classes, str(rows.transform), take)

    def _small_columns(self, classes: tuple[str, ...], order: Int64[np.ndarray, " n"]) -> Block:
        columns = {}
        if classes:
            numbers = {name: number for number, name in enumerate(classes)}
            columns["label"] = np.array([numbers[self.folders[row] or ""] for row in order], np.int64)
        if self.attributes[order[0]] is not None:
            columns["attributes"] = np.stack([self.attributes[row] for row in order])
        return columns

    def _ranges(self, dataset: Dataset, order: Int64[np.ndarray, " n"]) -> Splits:
        counted = [self.splits[row] for row in order]
        ranges, start = {}, 0
        for name in [name for name, _ in dataset.splits] or [TRAIN]:
            ranges[name] = (start, start + counted.count(name))
            start = ranges[name][1]
        return ranges
