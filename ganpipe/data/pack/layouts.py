"""Sets that come as archives of encoded images or drawings: split, class and attributes of every image."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from ganpipe.data.catalogue.dataset import (
    Celeba,
    ClassFolders,
    Dataset,
    MatLabels,
    PairedFolders,
    SideBySide,
    TwoDigits,
    UnpairedFolders,
    UserFolders,
)
from ganpipe.data.catalogue.drawings import (
    EmojiCaptions,
    EmojiPairs,
    EmojiStyles,
    EmojiTexts,
    EmojiTones,
    OpenMojiPairs,
)
from ganpipe.data.pack.archives import ADVICE, members
from ganpipe.data.pack.class_folders import class_folders
from ganpipe.data.pack.emoji import (
    captioned_emoji,
    emoji_in_styles,
    emoji_in_tones,
    emoji_pairs,
    emoji_with_texts,
    openmoji_pairs,
)
from ganpipe.data.pack.items import SPLITS, Item, is_image
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.pairs import side_by_side, two_folders
from ganpipe.data.pack.scan import scan
from ganpipe.data.pack.two_digits import digits_of_both
from ganpipe.errors import DataError


def read_items(dataset: Dataset, raw: Path, bad: Quarantine) -> Iterator[Item]:
    """Yield the images of a set in the order of its archive.

    Files beside the user's own pictures that are none go to `bad`. Raises `DataError` naming the file and the row where
    tables and archive contradict each other or themselves.
    """
    match dataset.layout:
        case UserFolders(folder_tar):
            return class_folders(scan(raw, folder_tar, bad))
        case SideBySide(folder_tar):
            return side_by_side(scan(raw, folder_tar, bad))
        case PairedFolders(folder_tar) | UnpairedFolders(folder_tar):
            return two_folders(scan(raw, folder_tar, bad), dataset)
    return _READERS[type(dataset.layout)](dataset, raw)


def _class_folders(dataset: Dataset, raw: Path) -> Iterator[Item]:
    layout = dataset.layout
    assert isinstance(layout, ClassFolders)
    path, prefix, classes = raw / layout.archive, f"{layout.root}/", dataset.names("label")
    for member in members(path, lambda name: is_image(name) and name not in layout.skipped):
        inside = member.name.removeprefix(prefix)
        folder = inside.split("/")[0] if "/" in inside else None
        if not member.name.startswith(prefix) and not member.problem:
            raise DataError(f"{path}: {member.name!r} does not lie in the folder {layout.root!r}; {ADVICE}")
        if not member.problem and folder not in classes:
            raise DataError(
                f"{path}: {member.name!r} lies in the folder of none of the classes {', '.join(classes)}; {ADVICE}"
            )
        yield Item(member.name, member.content, member.problem, columns={} if folder is None else {"label": folder})


def _celeba(dataset: Dataset, raw: Path) -> Iterator[Item]:
    layout = dataset.layout
    assert isinstance(layout, Celeba)
    attributes = read_attributes(raw / layout.attributes, dataset.names("attributes"))
    partition = read_partition(raw / layout.partition)
    if attributes.keys() != partition.keys():
        odd = min(attributes.keys() ^ partition.keys())
        tables = (layout.attributes, layout.partition)
        has, lacks = tables if odd in attributes else tables[::-1]
        raise DataError(f"{raw / lacks}: has no row for {odd}, which {has} has; {ADVICE}")
    rows = {
        image: Item("", b"", None, partition[image], {"attributes": values}) for image, values in attributes.items()
    }
    yield from _in_rows(raw / layout.archive, layout.root, rows, layout.attributes)


def read_attributes(path: Path, names: tuple[str, ...]) -> dict[str, UInt8[np.ndarray, " k"]]:
    """Read CelebA's table of attributes: 1 for 1 and 0 for -1, by image. Raises `DataError` naming the row."""
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise DataError(f"{path}: row 1 should be the number of images, got {_quoted(lines[:1])}; {ADVICE}")
    if tuple(lines[1].split()) != names:
        odd = sorted(set(names) ^ set(lines[1].split()))
        what = f"differing in {', '.join(odd[:3])}" if odd else "which are in another order"
        raise DataError(f"{path}: row 2 should be the {len(names)} names of CelebA's attributes, {what}; {ADVICE}")
    announced = int(lines[0])
    if len(lines) - 2 != announced:
        raise DataError(f"{path}: row 1 announces {announced} images, but {len(lines) - 2} rows follow; {ADVICE}")
    table: dict[str, UInt8[np.ndarray, " k"]] = {}
    for number, line in enumerate(lines[2:], start=3):
        image, *values = line.split()
        if len(values) != len(names):
            raise DataError(f"{path}: row {number} has {len(values)} attributes instead of {len(names)}; {ADVICE}")
        if not {"1", "-1"}.issuperset(values):
            wrong = next(value for value in values if value not in ("1", "-1"))
            raise DataError(f"{path}: row {number} has {wrong[:20]!r}, which is neither 1 nor -1; {ADVICE}")
        _add(table, image, np.array([value == "1" for value in values], np.uint8), path, number)
    return table


def read_partition(path: Path) -> dict[str, str]:
    """Read CelebA's table of splits, by image. Raises `DataError` naming the row."""
    table: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        image, *values = line.split()
        if len(values) != 1 or values[0] not in ("0", "1", "2"):
            raise DataError(f"{path}: row {number} should be an image and 0, 1 or 2, got {_quoted([line])}; {ADVICE}")
        _add(table, image, SPLITS[int(values[0])], path, number)
    return table


def _add(table: dict[str, Any], image: str, value: Any, path: Path, number: int) -> None:
    if image in table:
        raise DataError(f"{path}: row {number} is a second row for {image}; {ADVICE}")
    table[image] = value


def _mat_labels(dataset: Dataset, raw: Path) -> Iterator[Item]:
    layout = dataset.layout
    assert isinstance(layout, MatLabels)
    labels, classes = _matrix(raw / layout.labels, "labels"), dataset.names("label")
    wrong = np.flatnonzero((labels < 1) | (labels > len(classes)))
    if len(wrong):
        found = f"row {wrong[0] + 1} has the class {labels[wrong[0]]}"
        raise DataError(f"{raw / layout.labels}: {found}, not one of 1..{len(classes)}; {ADVICE}")
    splits = read_mat_splits(raw / layout.splits, len(labels))
    names = {number: classes[label - 1] for number, label in enumerate(labels, start=1)}
    rows = {
        f"image_{number:05d}.jpg": Item("", b"", None, split, {"label": names[number]})
        for number, split in splits.items()
    }
    yield from _in_rows(raw / layout.archive, layout.root, rows, layout.labels)


def read_mat_splits(path: Path, count: int) -> dict[int, str]:
    """Read the split of each of the images 1..count. Raises `DataError` naming an image in no split or in two."""
    splits: dict[int, str] = {}
    for split, name in zip(SPLITS, ("trnid", "valid", "tstid"), strict=True):
        for number in _matrix(path, name).tolist():
            if not 1 <= number <= count or number in splits:
                problem = f"is also in {splits[number]}" if number in splits else f"is not one of 1..{count}"
                raise DataError(f"{path}: image {number} of {name} {problem}; {ADVICE}")
            splits[number] = split
    if len(splits) < count:
        lost = next(number for number in range(1, count + 1) if number not in splits)
        raise DataError(f"{path}: image {lost} is in none of trnid, valid and tstid; {ADVICE}")
    return splits


def _in_rows(path: Path, root: str, rows: Mapping[str, Item], table: str) -> Iterator[Item]:
    """Yield the images of an archive with what a table says about each; both must name the same images.

    `rows` has an item without name and content for each image.
    """
    missing = set(rows)
    for member in members(path, is_image):
        name = member.name.removeprefix(f"{root}/")
        if not member.problem and (member.name != f"{root}/{name}" or name not in rows):
            raise DataError(f"{path}: {member.name!r} has no row in {table}; {ADVICE}")
        missing.discard(name)  # a refused member has a row too
        yield replace(
            rows.get(name, Item("", b"", None)), name=member.name, content=member.content, problem=member.problem
        )
    if missing:
        raise DataError(f"{path}: has no {root}/{min(missing)}, which {table} has a row for; {ADVICE}")


def _matrix(path: Path, name: str) -> Int64[np.ndarray, " n"]:
    """Read one matrix of whole numbers from a MATLAB 5 file, as a vector."""
    from scipy.io import loadmat  # takes a while, which processes that only decode images need not wait

    try:
        matrix = np.asarray(loadmat(io.BytesIO(path.read_bytes()))[name])
        if matrix.dtype.kind not in "iu":
            raise ValueError(f"{name} holds {matrix.dtype}, no whole numbers")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; {ADVICE}") from None
    except KeyError:
        raise DataError(f"{path}: holds no matrix {name!r}; {ADVICE}") from None
    except Exception as error:  # a reader of a binary format fed with other bytes raises anything
        raise DataError(f"{path}: cannot be read as MATLAB file: {' '.join(str(error).split())}; {ADVICE}") from None
    return matrix.reshape(-1).astype(np.int64)


def _lines(path: Path) -> list[str]:
    """Return the lines of a small table that are not blank."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; {ADVICE}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is no text file; {ADVICE}") from None
    return [line for line in lines if line.strip()]


def _quoted(lines: list[str]) -> str:
    return repr(lines[0][:60]) if lines else "nothing"


_READERS: dict[type, Callable[[Dataset, Path], Iterator[Item]]] = {
    ClassFolders: _class_folders,
    Celeba: _celeba,
    MatLabels: _mat_labels,
    TwoDigits: digits_of_both,
    EmojiCaptions: captioned_emoji,
    EmojiTexts: emoji_with_texts,
    EmojiTones: emoji_in_tones,
    EmojiStyles: emoji_in_styles,
    EmojiPairs: emoji_pairs,
    OpenMojiPairs: openmoji_pairs,
}
