"""From raw files to rows ready to be written: read or decoded, transformed, sorted by split and name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ganpipe.config import Data
from ganpipe.data.columns import Block, length, piece_rows
from ganpipe.data.dataset import Dataset
from ganpipe.data.decoding import decoded
from ganpipe.data.images import SUFFIXES, Transform, UnreadableError
from ganpipe.data.layouts import SPLITS, TRAIN, Item, read_items
from ganpipe.data.quarantine import Quarantine
from ganpipe.data.tables import Splits, is_table, read_table
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
    """Lend the rows of a set while the block lasts; decoded images lie in the file `scratch` for that long.

    Images that cannot be used go to `bad`. Raises `DataError` and `ConfigError`.
    """
    if is_table(dataset):
        yield _from_table(dataset, data, raw)
        return
    try:
        with scratch.open("w+b") as file:
            yield _from_images(dataset, data, raw, file, workers, bad)
    finally:
        scratch.unlink(missing_ok=True)


def transform_of(dataset: Dataset, data: Data) -> Transform:
    """Return what packing does to each image: what the params say, else what suits the set.

    A crop asked for without a size is not resized.
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


def _from_images(
    dataset: Dataset, data: Data, raw: Path, file: BinaryIO, workers: int | None, bad: Quarantine
) -> Gathered:
    transform = transform_of(dataset, data)
    pile = _Pile(file)
    with (
        progress(f"Decoding {dataset.name}", dataset.count, "img") as bar,
        closing(decoded(read_items(dataset, raw), transform, workers)) as results,
    ):
        for item, result in results:
            if isinstance(result, str):
                bad.add(item.name, result)
            else:
                pile.add(item, result)
            bar.advance()
    pile.keep_classed(bad)
    if not pile.names:
        raise DataError(f"{raw}: holds no image that can be used; their names should end in {', '.join(SUFFIXES)}")
    return pile.sorted(dataset, transform)


@dataclass
class _Pile:
    """Decoded images in the order in which they came: pixels in a file, the rest in memory."""

    file: BinaryIO
    shape: tuple[int, ...] | None = None
    names: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    folders: list[str | None] = field(default_factory=list)
    attributes: list[Any] = field(default_factory=list)
    left_out: frozenset[int] = frozenset()  # places in the file

    def add(self, item: Item, pixels: UInt8[np.ndarray, "h w c"]) -> None:
        if self.shape is None:
            self.shape = pixels.shape
        assert pixels.shape == self.shape  # every archive of images has a default crop or size
        self.file.write(np.ascontiguousarray(pixels).data)
        self.names.append(item.name)
        self.splits.append(item.split)
        self.folders.append(item.folder and sys.intern(item.folder))  # a few names for millions of images
        self.attributes.append(item.attributes)

    def keep_classed(self, bad: Quarantine) -> None:
        """Leave out images beside the folders of classes, if there are such folders."""
        classed = [folder is not None for folder in self.folders]
        if all(classed) or not any(classed):
            return
        self.left_out = frozenset(place for place, has_class in enumerate(classed) if not has_class)
        for place in sorted(self.left_out):
            bad.add(self.names[place], "lies in no folder of a class")

    def sorted(self, dataset: Dataset, transform: Transform) -> Gathered:
        """Return the rows by split, then by name: the same whatever the order of the archive."""
        kept = [place for place in range(len(self.names)) if place not in self.left_out]
        order = np.array(sorted(kept, key=lambda at: (SPLITS.index(self.splits[at]), self.names[at])))
        classes = dataset.classes or tuple(sorted({folder for folder in self.folders if folder is not None}))
        small = self._small_columns(classes, order)
        self.file.flush()
        assert self.shape is not None
        pixels = np.memmap(self.file, np.uint8, "r", shape=(len(self.names), *self.shape))

        def take(rows: Int64[np.ndarray, " n"]) -> Block:
            return {"image": np.asarray(pixels[order[rows]])} | {role: values[rows] for role, values in small.items()}

        return Gathered(len(order), self._ranges(dataset, order), classes, str(transform), take)

    def _small_columns(self, classes: tuple[str, ...], order: Int64[np.ndarray, " n"]) -> Block:
        columns = {}
        if classes:
            numbers = {name: number for number, name in enumerate(classes)}
            columns["label"] = np.array([numbers[self.folders[at] or ""] for at in order], np.int64)
        if self.attributes[0] is not None:
            columns["attributes"] = np.stack([self.attributes[at] for at in order])
        return columns

    def _ranges(self, dataset: Dataset, order: Int64[np.ndarray, " n"]) -> Splits:
        counted = [self.splits[place] for place in order]
        ranges, start = {}, 0
        for name in [name for name, _ in dataset.splits] or [TRAIN]:
            ranges[name] = (start, start + counted.count(name))
            start = ranges[name][1]
        return ranges
