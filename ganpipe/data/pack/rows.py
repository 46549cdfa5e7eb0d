"""From raw files to rows ready to be written: read or decoded, transformed, sorted by split and name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ganpipe.config import Data
from ganpipe.core.spec import VALUES, Field
from ganpipe.data.catalogue.dataset import (
    Dataset,
    Glyphs,
    MusicFolder,
    SideBySide,
    StyleFolders,
    StyleTiles,
    Tiles,
    UserFolders,
)
from ganpipe.data.catalogue.drawings import Drawings
from ganpipe.data.pack.arrays import arrays_in, read_arrays
from ganpipe.data.pack.decode import PixelFile, ToPixels, decoded
from ganpipe.data.pack.drawing import Drawing, require_resvg
from ganpipe.data.pack.glyphs import Pen, characters
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.data.pack.items import SPLITS, TRAIN, Item, Value
from ganpipe.data.pack.layouts import read_items
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.numbers import names_in, numbered
from ganpipe.data.pack.own_music import read_own_music
from ganpipe.data.pack.pairs import PAIR
from ganpipe.data.pack.styles import style_cutters, style_pictures
from ganpipe.data.pack.tables import is_table, read_table
from ganpipe.data.pack.tiles import cutters, photographs
from ganpipe.data.pack.whole import Splits
from ganpipe.data.packed.columns import Block, length, piece_rows
from ganpipe.data.packed.texts import Features
from ganpipe.errors import ConfigError, DataError
from ganpipe.paths import PARAMS
from ganpipe.progress import progress


@dataclass(frozen=True)
class OrderedRows:
    """The rows of one space in packed order; `take` returns any of them by number."""

    count: int
    splits: Splits
    take: Callable[[Int64[np.ndarray, " n"]], Block]

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Yield the rows [start, stop) in blocks of about 16 MiB."""
        first = self.take(np.arange(1))
        step = piece_rows(sum(rows.nbytes for rows in first.values()))
        for at in range(start, stop, step):
            yield self.take(np.arange(at, min(stop, at + step)))


@dataclass(frozen=True)
class ReadySet:
    """A set that is ready to be written: its fields, the rows of every space, the text that describes the transform.

    `hints` are lines about what looks wrong, see `pack.hints`.
    """

    fields: Mapping[str, Field]
    spaces: Mapping[str, OrderedRows]
    transform: str
    hints: tuple[str, ...] = ()
    texts: Features | None = None  # what the encoder says of the names of fields of kind text, see `pack.texts`


@contextmanager
def ready_set(
    dataset: Dataset, data: Data, raw: Path, scratch: Path, workers: int | None, bad: Quarantine
) -> Iterator[ReadySet]:
    """Lend the rows of a set for the time of the block; decoded images lie in files of the folder `scratch` meanwhile.

    Images that cannot be used go to `bad`. Raises `DataError` and `ConfigError`.
    """
    if is_table(dataset) or isinstance(dataset.layout, MusicFolder):
        yield _from_table(dataset, data, raw, bad)
        return
    if isinstance(dataset.layout, UserFolders) and (path := arrays_in(raw)):
        yield _from_arrays(dataset, data, path, bad)
        return
    transforms, items = _images_of(dataset, data, raw, bad)
    with ExitStack() as stack:
        files = {}
        for name, transform in transforms.items():
            file = stack.enter_context(NamedTemporaryFile(dir=scratch, prefix=".rows-", suffix=".part"))
            files[name] = PixelFile(Path(file.name), transform)
        yield _from_images(dataset, raw, items, files, workers, bad)


def _images_of(
    dataset: Dataset, data: Data, raw: Path, bad: Quarantine
) -> tuple[Mapping[str, ToPixels], Iterator[Item]]:
    """Return how the images of each pixel file become pixels, and the images."""
    if isinstance(dataset.layout, Tiles):
        tiles = cutters(dataset, data)
        return tiles, photographs(dataset, raw, tiles, bad)
    if isinstance(dataset.layout, StyleTiles | StyleFolders):
        squares = style_cutters(dataset, data)
        return squares, style_pictures(dataset, raw, squares, bad)
    if isinstance(dataset.layout, Glyphs):
        size = _drawn_size(dataset, data)
        fonts = {"a": dataset.layout.a, "b": dataset.layout.b}
        pens = {name: Pen(raw / font, size, data.channels or 1) for name, font in fonts.items()}
        return pens, characters(dataset, raw)
    drawn = isinstance(dataset.layout, Drawings)
    transform = drawing_of(dataset, data) if drawn else transform_of(dataset, data)
    names = (PAIR,) if isinstance(dataset.layout, SideBySide) else dataset.images
    return dict.fromkeys(names, transform), read_items(dataset, raw, bad)


def transform_of(dataset: Dataset, data: Data) -> Transform:
    """Return the transform of each image: by the params, and where they are blank by the catalogue.

    A crop is resized only where the params give a size too; so is a whole picture.
    """
    own_size = dataset.size if data.crop is None else None
    return Transform(
        crop=data.crop if data.crop is not None else dataset.crop,
        size=data.size if data.size is not None else own_size,
        channels=data.channels or (dataset.image_shape[0] if dataset.image_shape else 3),
        halves=isinstance(dataset.layout, SideBySide),
        max_pixels=data.max_pixels,
    )


def drawing_of(dataset: Dataset, data: Data) -> Drawing:
    """Return how each drawing is drawn. Raises `ConfigError` and `DataError`."""
    size = _drawn_size(dataset, data)
    require_resvg(dataset.name)
    return Drawing(size, data.channels or 3)


def _drawn_size(dataset: Dataset, data: Data) -> int:
    """Return the side at which a set is drawn. Raises `ConfigError` for a crop."""
    if isinstance(data.crop, int):
        raise ConfigError(
            f"{PARAMS}: data.crop = {data.crop} cuts pictures, but data.name = {dataset.name!r} is drawn at any size; "
            "leave it blank and set data.size"
        )
    size = data.size or dataset.size
    assert size is not None  # sets of drawings have one
    return size


def _from_table(dataset: Dataset, data: Data, raw: Path, bad: Quarantine) -> ReadySet:
    asked = [key for key in ("crop", "size", "channels") if getattr(data, key) is not None]
    if asked and not dataset.images:
        held = ", ".join(VALUES[one.kind] for one in dataset.fields.values())
        raise ConfigError(f"{PARAMS}: data.{asked[0]} is for images, but data.name = {dataset.name!r} holds {held}")
    table = read_table(dataset, raw) if is_table(dataset) else read_own_music(dataset, raw, bad)
    columns = dict(table.columns)
    transform, seen = transform_of(dataset, data), Seen()
    for name in dataset.images if asked else ():
        columns[name] = _transformed(columns[name], transform, raw, seen)
    text = str(transform) if asked else dataset.transform

    def take(rows: Int64[np.ndarray, " n"]) -> Block:
        return {name: values[rows] for name, values in columns.items()}

    rows = OrderedRows(length(columns), table.splits, take)
    return ReadySet(_fields(dataset, rows, table.names), {"items": rows}, text, seen.hints())


def _from_arrays(dataset: Dataset, data: Data, path: Path, bad: Quarantine) -> ReadySet:
    """Take the user's arrays as they are, unless the params ask for another crop or size."""
    stored, seen = Seen(), Seen()
    table, classes = read_arrays(path, bad, stored)
    images = table.columns["image"]
    channels = 1 if images.shape[-1] == 1 else 3
    transform = Transform(data.crop, data.size, data.channels or channels)
    as_stored = data.crop is None and data.size is None and images.shape[-1] == transform.channels
    columns = {**table.columns, "image": images if as_stored else _transformed(images, transform, path, seen)}

    def take(rows: Int64[np.ndarray, " n"]) -> Block:
        return {name: values[rows] for name, values in columns.items()}

    rows = OrderedRows(length(columns), table.splits, take)
    fields = _fields(dataset, rows, {"label": classes})
    return ReadySet(fields, {"items": rows}, "none" if as_stored else str(transform), stored.hints() + seen.hints())


def _transformed(
    images: UInt8[np.ndarray, "n h w c"], transform: Transform, raw: Path, seen: Seen
) -> UInt8[np.ndarray, "n y x d"]:
    pictures = (Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels) for pixels in images)
    try:
        return np.stack([transform.of_image(picture, seen) for picture in pictures])
    except UnreadableError as problem:
        raise DataError(f"{raw}: an image {problem}; lower data.crop in {PARAMS}") from None


def _fields(dataset: Dataset, rows: OrderedRows, names: Mapping[str, tuple[str, ...]]) -> dict[str, Field]:
    """Describe the fields of a space by its first row; `names` are those that only the raw files know."""
    found = {}
    for name, first in rows.take(np.arange(1)).items():
        raw, shape = dataset.fields[name], first.shape[1:]
        shape = (shape[2], shape[0], shape[1]) if raw.kind == "image" else shape
        found[name] = Field(kind=raw.kind, shape=shape, names=raw.names or names.get(name, ()), space=raw.space)
    return found


def _from_images(
    dataset: Dataset,
    raw: Path,
    items: Iterator[Item],
    files: Mapping[str, PixelFile],
    workers: int | None,
    bad: Quarantine,
) -> ReadySet:
    """Decode all images into their pixel files, then put the rows of every space in order."""
    spaces_of = {name: one.space for name, one in dataset.fields.items()}
    images = {name: _Images(bad, _no_values(dataset, spaces_of.get(name))) for name in files}
    total = None if dataset.count is None else dataset.count * len(files) // len(set(spaces_of.values()))
    seen = Seen()
    with (
        progress(f"Decoding {dataset.name}", total, "img") as bar,
        closing(decoded(items, files, workers, seen)) as results,
    ):
        for item, problem in results:
            images[item.field].add(item, problem)
            bar.advance()
    fields: dict[str, Field] = {}
    spaces: dict[str, OrderedRows] = {}
    for space in sorted(set(spaces_of.values())):
        mine = [name for name in files if spaces_of.get(name, space) == space]
        names, spaces[space] = _in_order(
            dataset, raw, {name: files[name] for name in mine}, {name: images[name] for name in mine}
        )
        fields |= _fields(dataset, spaces[space], names)
    transform = "; ".join(dict.fromkeys(str(file.transform) for file in files.values()))
    return ReadySet(fields, spaces, transform, seen.hints())


def _no_values(dataset: Dataset, space: str | None) -> dict[str, list[Value | None]]:
    """Return an empty column for each small field of a space; None: of the only one."""
    return {name: [] for name, one in dataset.fields.items() if one.kind != "image" and space in (None, one.space)}


@dataclass
class _Images:
    """Name, split and values of small fields of the images of one pixel file, in the order of its rows."""

    bad: Quarantine
    columns: dict[str, list[Value | None]]  # by small field; None: the image has no value
    names: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)

    @property
    def kept(self) -> list[int]:
        """The rows that can be used."""
        return [row for row in range(len(self.names)) if row not in self.left_out]

    def kept_of(self, field: str) -> list[Value]:
        """Return the values of a small field in the rows that can be used."""
        return [value for row in self.kept if (value := self.columns[field][row]) is not None]

    def add(self, item: Item, problem: str | None) -> None:
        start = len(self.names)
        self.names += [item.name] * item.rows
        key = item.key or item.name
        self.keys += [key] if item.rows == 1 else [f"{key}\0{number:09d}" for number in range(item.rows)]
        self.splits += item.splits
        for name, values in self.columns.items():
            if name in item.each:
                values += item.each[name]
                continue
            value = item.columns.get(name)
            known = sys.intern(value) if isinstance(value, str) else value  # a few for millions of images
            values += [known] * item.rows
        if problem is not None:
            self.left_out |= set(range(start, len(self.names)))
            self.bad.add(item.name, problem)

    def keep_classed(self) -> None:
        """Leave out images beside the folders of classes, if there are such folders."""
        labels = self.columns.get("label", [])
        beside = [row for row in self.kept if labels and labels[row] is None]
        if len(beside) < len(self.kept):
            for row in beside:
                self.leave_out(row, "lies in no folder of a class")

    def leave_out(self, row: int, reason: str) -> None:
        self.left_out.add(row)
        self.bad.add(self.names[row], reason)

    def place(self, row: int) -> tuple[int, str]:
        """Return the sort key of a row: split and name. The two images of a pair have the same key."""
        return SPLITS.index(self.splits[row]), self.keys[row]


def _in_order(
    dataset: Dataset, raw: Path, files: Mapping[str, PixelFile], images: Mapping[str, _Images]
) -> tuple[dict[str, tuple[str, ...]], OrderedRows]:
    """Return the rows of a space by split, then by name, whatever the order of the archive.

    Also the names of the fields for which the catalogue has none: the classes and the words that occur.
    """
    for one in images.values():
        one.keep_classed()
    orders = _paired(images)
    first, order = next((images[name], order) for name, order in orders.items())
    if not len(order):
        what = "image" if len(images) == 1 else "pair of images"
        raise DataError(f"{raw}: holds no {what} that can be used{first.bad.summary()}")
    if isinstance(dataset.layout, UserFolders):
        _require_every_folder(raw, first)
    names, small = _small_columns(dataset, first, order)
    pixels = {name: _mapped(file, orders[name]) for name, file in files.items()}

    def take(wanted: Int64[np.ndarray, " n"]) -> Block:
        found = {name: np.asarray(rows[orders[name][wanted]]) for name, rows in pixels.items()}
        return _halves(found) | {name: values[wanted] for name, values in small.items()}

    return names, OrderedRows(len(order), _ranges(dataset, raw, [first.splits[row] for row in order]), take)


def _require_every_folder(raw: Path, images: _Images) -> None:
    """Raise `DataError` naming a folder of a split or class of whose pictures none can be used."""

    labels = images.columns["label"]

    def folders(rows: Iterable[int]) -> set[tuple[str, str]]:
        return {(images.splits[row], folder) for row in rows for folder in ("", str(labels[row] or ""))}

    if lost := sorted(folders(range(len(images.names))) - folders(images.kept)):
        split, folder = lost[0]
        where = f"the folder {folder!r} of the split {split}" if folder else f"the split {split}"
        raise DataError(f"{raw}: no picture in {where} can be used{images.bad.summary()}; repair or remove it")


def _paired(images: Mapping[str, _Images]) -> dict[str, Int64[np.ndarray, " n"]]:
    """Return the rows of each pixel file in packed order; an image whose partner was left out is left out too."""
    if len(images) == 1:
        ((name, one),) = images.items()
        return {name: np.array(sorted(one.kept, key=one.place), np.int64)}
    rows = {name: {one.place(row): row for row in one.kept} for name, one in images.items()}
    common = set.intersection(*map(set, rows.values()))
    for name, found in rows.items():
        for place in sorted(found.keys() - common):
            images[name].leave_out(found.pop(place), "has a partner that cannot be used")
    return {name: np.array([row for _, row in sorted(found.items())], np.int64) for name, found in rows.items()}


def _mapped(file: PixelFile, order: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "rows h w c"]:
    assert file.shape is not None  # some image could be used
    return np.memmap(file.path, np.uint8, "r", shape=(int(order.max()) + 1, *file.shape))


def _halves(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cut pictures of a whole pair into the fields a and b."""
    if PAIR not in found:
        return found
    pair = found[PAIR]
    middle = pair.shape[2] // 2
    return {"a": pair[:, :, :middle], "b": pair[:, :, middle:]}


def _small_columns(
    dataset: Dataset, images: _Images, order: Int64[np.ndarray, " n"]
) -> tuple[dict[str, tuple[str, ...]], Block]:
    """Return the names and the numbers of the small fields; a set in which no image has a class has no `label`."""
    names, columns = {}, {}
    texts = [value for name in images.columns if dataset.fields[name].kind == "text" for value in images.kept_of(name)]
    for name, found in images.columns.items():
        values = [value for row in order if (value := found[row]) is not None]
        if values:
            assert len(values) == len(order)  # `keep_classed` has left out the others
            raw = dataset.fields[name]
            names[name] = raw.names or names_in(raw.kind, texts if raw.kind == "text" else values)
            columns[name] = numbered(name, raw, names[name], values)
    return names, columns


def _ranges(dataset: Dataset, raw: Path, splits: list[str]) -> Splits:
    """Return the ranges of rows of the splits, given that of every row in order."""
    if not dataset.splits and TRAIN not in splits:
        found = ", ".join(sorted(set(splits)))
        raise DataError(f"{raw}: holds pictures of the split {found} only; put those to learn from into train")
    ranges, start = {}, 0
    for name in [name for name, _ in dataset.splits] or [name for name in SPLITS if name in splits]:
        ranges[name] = (start, start + splits.count(name))
        start = ranges[name][1]
    return ranges
