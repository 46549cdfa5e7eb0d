"""Raw files that hold a whole set, read at once: CSV, NumPy arrays, idx, CIFAR's batches, photographs to be cut up."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from ganpipe.data.catalogue.dataset import (
    Chorales,
    CifarBatches,
    Crops,
    Csv,
    Dataset,
    DigitTexts,
    Edges,
    Idx,
    IdxPart,
    Synthetic,
    Vectors,
)
from ganpipe.data.pack.archives import ADVICE, members
from ganpipe.data.pack.digit_texts import with_captions
from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.data.pack.music import read_chorales
from ganpipe.data.pack.npy import require_whole
from ganpipe.data.pack.tiles import cut_squares
from ganpipe.data.pack.whole import Splits, Table
from ganpipe.data.packed.columns import Block
from ganpipe.errors import DataError

_IDX_IMAGES, _IDX_LABELS = 2051, 2049  # magic numbers: uint8 of 3 and of 1 dimensions
_IDX_LIMIT = 1 << 32  # bytes that a header may announce
_CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: label, then red, green and blue planes
_CSV_LIMIT = 1 << 28  # bytes


def read_table(dataset: Dataset, raw: Path) -> Table:
    """Read the raw files of a set that is laid out as numbers, in published order.

    Raises `DataError` naming the file and the row that is not as published.
    """
    return _READERS[type(dataset.layout)](dataset, raw)


def is_table(dataset: Dataset) -> bool:
    """Return whether `read_table` reads the layout of this set."""
    return type(dataset.layout) in _READERS


def _digit_texts(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, DigitTexts)
    path = raw / dataset.layout.file
    return with_captions(parse_digits(expanded(path), dataset, path))


def _csv(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, Csv)
    path = raw / dataset.layout.file
    return _of_one_split(parse_digits(expanded(path), dataset, path))


def parse_digits(content: bytes, dataset: Dataset, path: Path) -> Block:
    """Read rows of 784 pixels 0..255 and a label 0..9 into `image` (n, 28, 28, 1) and `label` (n,).

    Raises `DataError` naming `path`, the row and what is wrong with it.
    """
    images, labels = parse_rows(content, 28, 255, path, dataset.count)
    _require_classes(labels, dataset, path)
    return {"image": images[..., np.newaxis], "label": labels}


def parse_rows(
    content: bytes, side: int, white: int, path: Path, count: int | None = None
) -> tuple[UInt8[np.ndarray, "n side side"], Int64[np.ndarray, " n"]]:
    """Read CSV rows of `side` x `side` pixels 0..`white` and a number, `count` of them (None: any).

    Raises `DataError` naming `path`, the row and what is wrong with it.
    """
    lines, pixels_of = content.splitlines(), side * side
    if count is not None and len(lines) != count:
        raise DataError(f"{path}: holds {len(lines)} rows instead of {count}; {ADVICE}")
    for number, columns in enumerate((line.count(b",") + 1 for line in lines), start=1):
        if columns != pixels_of + 1:
            raise DataError(f"{path}: row {number} has {columns} columns instead of {pixels_of + 1}; {ADVICE}")
    try:
        table = np.loadtxt(lines, np.int64, comments=None, delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {str(error).rstrip('.')} (rows are counted from 0); {ADVICE}") from None
    pixels, labels = table[:, :-1], table[:, -1].copy()
    wrong = np.argwhere((pixels < 0) | (pixels > white))
    if len(wrong):
        row, column = wrong[0].tolist()
        value = pixels[row, column]
        known = f"which is no pixel 0..{white}"
        raise DataError(f"{path}: row {row + 1} has {value} in column {column + 1}, {known}; {ADVICE}")
    return pixels.astype(np.uint8).reshape(-1, side, side), labels


def _vectors(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, Vectors)
    path = raw / dataset.layout.file
    vectors = _array(path, "float32", (dataset.count, *(dataset.fields["vector"].shape or ())))
    wrong = np.flatnonzero(~((vectors >= 0) & (vectors <= 1)).all(axis=1))
    if len(wrong):
        raise DataError(f"{path}: row {wrong[0] + 1} is {vectors[wrong[0]].tolist()}, not numbers 0..1; {ADVICE}")
    return _of_one_split({"vector": vectors})


def _synthetic(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, Synthetic) and dataset.image_shape is not None
    channels, height, width = dataset.image_shape
    images = _array(raw / dataset.layout.images, "uint8", (dataset.count, height, width, channels))
    labels = _array(raw / dataset.layout.labels, "int64", (dataset.count,))
    _require_classes(labels, dataset, raw / dataset.layout.labels)
    return _of_one_split({"image": images, "label": labels})


def _array(path: Path, dtype: str, shape: tuple[int | None, ...]) -> Shaped[np.ndarray, "n ..."]:
    """Load a .npy file that must hold `dtype` of `shape`; None stands for any number of rows."""
    try:
        with path.open("rb") as opened:
            require_whole(opened, path.stat().st_size)
        array: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as NumPy array: {reason}; {ADVICE}") from None
    fits = isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == len(shape)
    if not fits or any(due not in (None, found) for due, found in zip(shape, array.shape, strict=True)):
        found = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
        raise DataError(f"{path}: holds {found} instead of {dtype} {shape}; {ADVICE}")
    return np.asarray(array)


def _crops(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, Crops)
    side, step = dataset.layout.side, dataset.layout.step
    cut = [cut_squares(_photograph(raw / name), side, step) for name in dataset.layout.photographs]
    if sum(map(len, cut)) != dataset.count:
        raise DataError(f"{raw}: its photographs give {sum(map(len, cut))} crops instead of {dataset.count}; {ADVICE}")
    labels = np.repeat(np.arange(len(cut)), [len(squares) for squares in cut])
    return _of_one_split({"image": np.concatenate(cut), "label": labels})


def _photograph(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    try:
        return Transform(crop=None, size=None, channels=3).of_bytes(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {ADVICE}") from None
    except UnreadableError as problem:
        raise DataError(f"{path}: {problem}; {ADVICE}") from None


def _idx(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, Idx)
    due = dataset.image_shape
    parts = [_idx_part(part, dataset, raw, due[1:] if due else None) for part in dataset.layout.parts]
    return _of_parts([part.split for part in dataset.layout.parts], parts)


def _edges(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, Edges) and dataset.image_shape is not None
    margin = dataset.layout.margin
    due = tuple(side - 2 * margin for side in dataset.image_shape[1:])
    parts = [_idx_part(part, dataset, raw, due) for part in dataset.layout.parts]
    around = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    pairs: list[Block] = []
    for part in parts:
        images = np.pad(part["image"], around)
        pairs.append({"a": sobel_edges(images), "b": images, "label": part["label"]})
    return _of_parts([part.split for part in dataset.layout.parts], pairs)


def sobel_edges(images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w c"]:
    """Return how strong the edge at each pixel is, black where there is none, outside counted as black.

    The root of the mean square of Sobel's two filters, each divided by 4: `skimage.filters.sobel` but for its border,
    rounded. Whole numbers but for the last root, so that all machines agree.
    """
    from scipy.ndimage import correlate1d  # for this set alone; its `sobel` would smooth from image to image too

    wide, slopes = images.astype(np.int32), []
    for along, across in ((1, 2), (2, 1)):
        apart = correlate1d(wide, (-1, 0, 1), along, mode="constant")
        slopes.append(correlate1d(apart, (1, 2, 1), across, mode="constant"))
    return np.round(np.sqrt((np.square(slopes[0]) + np.square(slopes[1])) / 32)).astype(np.uint8)


def _idx_part(part: IdxPart, dataset: Dataset, raw: Path, due: tuple[int, ...] | None) -> Block:
    images = _idx_array(raw / part.images, _IDX_IMAGES, 3)
    labels = _idx_array(raw / part.labels, _IDX_LABELS, 1).astype(np.int64)
    if len(images) != len(labels):
        raise DataError(f"{raw / part.labels}: holds {len(labels)} labels for {len(images)} images; {ADVICE}")
    if due is not None and images.shape[1:] != due:
        raise DataError(f"{raw / part.images}: holds images of {images.shape[1:]}, not {due}; {ADVICE}")
    _require_classes(labels, dataset, raw / part.labels)
    return {"image": images[..., np.newaxis], "label": labels}


def _idx_array(path: Path, magic: int, dimensions: int) -> UInt8[np.ndarray, "n ..."]:
    header = expanded(path, 4 + 4 * dimensions)
    numbers = np.frombuffer(header[: len(header) // 4 * 4], ">u4").tolist()
    if len(numbers) != 1 + dimensions or numbers[0] != magic:
        raise DataError(f"{path}: does not begin like an idx file of uint8 with {dimensions} dimensions; {ADVICE}")
    size = int(np.prod(numbers[1:], dtype=object))
    if size > _IDX_LIMIT:
        raise DataError(f"{path}: announces {numbers[1:]} pixels, more than {_IDX_LIMIT}; {ADVICE}")
    content = expanded(path, len(header) + size + 1)[len(header) :]
    if len(content) != size:
        more = "more" if len(content) > size else len(content)
        raise DataError(f"{path}: announces {numbers[1:]} numbers, but holds {more} instead of {size}; {ADVICE}")
    return np.frombuffer(content, np.uint8).reshape(numbers[1:])


def _cifar(dataset: Dataset, raw: Path) -> Table:
    assert isinstance(dataset.layout, CifarBatches)
    path = raw / dataset.layout.archive
    due = {name for part in dataset.layout.parts for name in part.members}
    found = {member.name: member for member in members(path, due.__contains__)}
    blocks, names = [], []
    for part in dataset.layout.parts:
        for name in part.members:
            if name not in found or found[name].problem:
                problem = found[name].problem if name in found else "is missing"
                raise DataError(f"{path}: its member {name} {problem}; {ADVICE}")
            blocks.append(_cifar_block(found[name].content, name, dataset, path))
            names.append(part.split)
    return _of_parts(names, blocks)


def _cifar_block(content: bytes, name: str, dataset: Dataset, path: Path) -> Block:
    if not content or len(content) % _CIFAR_RECORD:
        raise DataError(f"{path}: {name} holds {len(content)} bytes, no multiple of {_CIFAR_RECORD}; {ADVICE}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD)
    labels = records[:, 0].astype(np.int64)
    _require_classes(labels, dataset, path)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return {"image": np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), "label": labels}


def _require_classes(labels: Int64[np.ndarray, " n"], dataset: Dataset, path: Path) -> None:
    known = len(dataset.names("label"))
    wrong = np.flatnonzero((labels < 0) | (labels >= known))
    if len(wrong):
        row, label = wrong[0], labels[wrong[0]]
        raise DataError(f"{path}: row {row + 1} has the label {label}, not one of 0..{known - 1}; {ADVICE}")


def _of_one_split(columns: Block) -> Table:
    return _of_parts(["train"], [columns])


def _of_parts(names: list[str], parts: list[Block]) -> Table:
    """Lay parts end to end; neighbours of the same name are one split."""
    splits: Splits = {}
    position = 0
    for name, part in zip(names, parts, strict=True):
        end = position + len(next(iter(part.values())))
        splits[name] = (splits.get(name, (position,))[0], end)
        position = end
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Table(columns, splits)


def expanded(path: Path, at_most: int = _CSV_LIMIT) -> bytes:
    """Return the expanded content of a gzip file, cut off after `at_most` bytes: the file may be a bomb."""
    try:
        with gzip.open(path) as opened:
            return opened.read(at_most)
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise DataError(f"{path}: cannot be read as gzip: {reason}; {ADVICE}") from None


_READERS: dict[type, Callable[[Dataset, Path], Table]] = {
    Chorales: read_chorales,
    Crops: _crops,
    Csv: _csv,
    DigitTexts: _digit_texts,
    Vectors: _vectors,
    Synthetic: _synthetic,
    Idx: _idx,
    Edges: _edges,
    CifarBatches: _cifar,
}
