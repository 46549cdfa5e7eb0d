"""The user's own pictures as NumPy arrays: one `.npy` of images, or an `.npz` of images, labels and splits.

Arrays are told apart by their names. A name is made of parts: one of `IMAGES` or `LABELS` and, where there are splits,
train, val, test and the like, in any order and case: `images`, `y`, `x_train`, `test_labels`. `arr_0` and `arr_1`,
which NumPy gives to arrays without names, are images and labels; an array that is alone holds images. Others are left
out.

Images are (n, height, width), (n, height, width, channels) or (n, channels, height, width) with 1, 3 or 4 channels; of
4 the last is opacity, over white. If both the second and the last number may be channels, the last are. Their values
are, in all arrays alike,

* bytes, or whole numbers 0..255: taken as they are; truth values: black and white;
* whole numbers 0..65535: the upper 8 of 16 bits are kept, as of 16-bit pictures;
* floating point: 0..1 or -1..1 from black to white, or 0..255. The range is found out from the values, and said. It may
  be exceeded by `_SLACK` of its length, by rounding errors, which are cut off.

Labels are whole numbers or texts, (n,) or (n, 1); the sorted ones are the classes. Python objects (pickles) run code
when they are opened: they are refused.
"""

from __future__ import annotations

import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from ganpipe.data.catalogue.folders import ARRAYS
from ganpipe.data.pack.archives import FREE_BYTES, MAX_EXPANSION
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.items import SPLITS, TRAIN
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.npy import require_whole
from ganpipe.data.pack.scan import ADVICE
from ganpipe.data.pack.split_folders import split_of
from ganpipe.data.pack.whole import Table
from ganpipe.errors import DataError

IMAGES = ("images", "image", "imgs", "img", "pictures", "x", "data", "samples")
LABELS = ("labels", "label", "y", "targets", "target", "classes", "class")

_ROLES = {**dict.fromkeys(IMAGES, "images"), **dict.fromkeys(LABELS, "labels")}
_UNNAMED = {"arr_0": "images", "arr_1": "labels"}
_SHAPES = "(n, height, width), (n, height, width, channels) or (n, channels, height, width) with 1, 3 or 4 channels"
_CHANNELS = (1, 3, 4)
_SLACK = 0.001
_DEEP = 65_535  # white of 16 bits
_LEAST_OF_BYTES = 16  # floating-point numbers whose highest is less are hardly meant as 0..255

_Arrays = dict[tuple[str, str], tuple[str, Any]]  # by split and role: the name of the array, and the array


def arrays_in(raw: Path) -> Path | None:
    """Return the copy of the user's arrays among the raw files; None: there is none."""
    return next((raw / name for name in ARRAYS if (raw / name).is_file()), None)


def read_arrays(path: Path, bad: Quarantine, seen: Seen) -> tuple[Table, tuple[str, ...]]:
    """Return images (n, h, w, c) uint8 with the numbers of their classes, if they have any, and the names of these.

    Arrays that are neither images nor labels go to `bad`, what is odd about the images to `seen`. Raises `DataError`
    naming the array that will not do.
    """
    loaded = _loaded(path)
    arrays = _sorted_out(loaded, path, bad)
    splits = [split for split in SPLITS if (split, "images") in arrays]
    if TRAIN not in splits:
        held = ", ".join(loaded) or "nothing"
        raise DataError(f"{path}: has no images to learn from, such as images or x_train; it holds {held}; {ADVICE}")
    images = _images([arrays[split, "images"] for split in splits], path, seen)
    columns: dict[str, Any] = {"image": np.concatenate(images) if len(images) > 1 else images[0]}
    ends = np.cumsum([0, *map(len, images)]).tolist()
    ranges = {split: (ends[at], ends[at + 1]) for at, split in enumerate(splits)}
    labels, classes = _labels(arrays, dict(zip(splits, map(len, images), strict=True)), path)
    return Table(columns | labels, ranges), classes


def _loaded(path: Path) -> dict[str, Any]:
    """Return the arrays of the file by name; that of an .npy file has the name of the file."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as opened:
                require_whole(opened, path.stat().st_size)
            return {path.name: np.load(path, mmap_mode="r", allow_pickle=False)}
        _refuse_bomb(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (MemoryError, OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            problem = "holds Python objects (a pickle), which run code when they are opened; save plain arrays instead"
        else:
            problem = f"cannot be read as NumPy arrays: {' '.join(str(error).split()) or type(error).__name__}"
        raise DataError(f"{path}: {problem}; {ADVICE}") from None


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        expanded = sum(info.file_size for info in archive.infolist())
        for info in archive.infolist():
            with archive.open(info) as opened:
                require_whole(opened, info.file_size)
    if expanded > FREE_BYTES + MAX_EXPANSION * path.stat().st_size:
        raise DataError(f"{path}: expands to {expanded} bytes, as only bombs do; {ADVICE}")


def _sorted_out(loaded: Mapping[str, Any], path: Path, bad: Quarantine) -> _Arrays:
    """Return the arrays that are images or labels, by split and role."""
    if len(loaded) == 1:
        return {(TRAIN, "images"): next(iter(loaded.items()))}
    found: _Arrays = {}
    for name, array in loaded.items():
        place = _place(name)
        if place is None:
            bad.add_beside(name, "arrays", "has a name of neither images nor labels")
        elif place in found:
            raise DataError(f"{path}: {found[place][0]} and {name} are both the {place[1]} of {place[0]}; {ADVICE}")
        else:
            found[place] = (name, array)
    return found


def _place(name: str) -> tuple[str, str] | None:
    """Return the split and the role of an array by its name; None: it has none."""
    if name in _UNNAMED:
        return TRAIN, _UNNAMED[name]
    parts = [part for part in re.split(r"[^a-z]+", name.lower()) if part]
    roles = [_ROLES[part] for part in parts if part in _ROLES]
    splits = [split for part in parts if part not in _ROLES and (split := split_of(part))]
    if len(roles) != 1 or len(roles) + len(splits) != len(parts) or len(splits) > 1:
        return None
    return splits[0] if splits else TRAIN, roles[0]


def _images(named: list[tuple[str, Any]], path: Path, seen: Seen) -> list[UInt8[np.ndarray, "_ h w c"]]:
    """Return arrays of images as bytes, all on the same scale and of one shape."""
    last = [_channels_last(array, name, path) for name, array in named]
    for (name, _), images in zip(named, last, strict=True):
        if images.shape[1:] != last[0].shape[1:]:
            shapes = f"{images.shape[1:]} where {named[0][0]} has {last[0].shape[1:]}"
            raise DataError(f"{path}: {name} has images of height, width and channels {shapes}; {ADVICE}")
    return _as_bytes(last, ", ".join(name for name, _ in named), path, seen)


def _channels_last(array: Any, name: str, path: Path) -> Shaped[np.ndarray, "n h w c"]:
    shape = array.shape
    if not array.size:
        raise DataError(f"{path}: {name} holds no images: its shape is {shape}; {ADVICE}")
    if len(shape) == 3 and shape[2] in _CHANNELS:
        raise DataError(f"{path}: {name} has the shape {shape}, that of one picture; give {_SHAPES}; {ADVICE}")
    if len(shape) == 3:
        return np.asarray(array)[..., np.newaxis]
    if len(shape) == 4 and shape[3] in _CHANNELS:
        return np.asarray(array)
    if len(shape) == 4 and shape[1] in _CHANNELS:
        return np.asarray(array).transpose(0, 2, 3, 1)
    raise DataError(f"{path}: {name} has the shape {shape}, not {_SHAPES}; {ADVICE}")


def _as_bytes(arrays: list[Any], names: str, path: Path, seen: Seen) -> list[Any]:
    """Convert arrays to bytes on one scale, and say which."""
    kinds = {array.dtype.kind for array in arrays}
    if kinds <= {"b"}:
        return [array.astype(np.uint8) * np.uint8(255) for array in arrays]
    if {array.dtype for array in arrays} == {np.dtype(np.uint8)}:
        return [np.ascontiguousarray(array) for array in arrays]
    if not (kinds <= set("iu") or kinds <= {"f"}):
        types = ", ".join(sorted({str(array.dtype) for array in arrays}))
        raise DataError(f"{path}: {names} hold {types}, which are no pixels; {ADVICE}")
    low = min(float(array.min()) for array in arrays)
    high = max(float(array.max()) for array in arrays)
    scale = _whole_scale(low, high) if kinds <= set("iu") else _real_scale(low, high)
    if scale is None:
        raise DataError(
            f"{path}: {names} hold values {low:g}..{high:g}, of which nothing says what is black and white; "
            f"give 0..255, 0..1 or -1..1 without NaN; {ADVICE}"
        )
    black, white = scale
    seen.pictures += sum(map(len, arrays))
    if white == _DEEP:
        seen.note_deep(int(high), seen.pictures)
    print(f"{path}: {names}: values {low:g}..{high:g} are taken as {black} (black) .. {white} (white)", file=sys.stderr)
    return [_scaled(array, black, white) for array in arrays]


def _whole_scale(low: float, high: float) -> tuple[int, int] | None:
    return (0, 255) if low >= 0 and high <= 255 else (0, _DEEP) if low >= 0 and high <= _DEEP else None


def _real_scale(low: float, high: float) -> tuple[int, int] | None:
    """Return the range that values of floating point are meant in; None for others, and for NaN."""
    for black, white in ((0, 1), (-1, 1), (0, 255)):
        slack = _SLACK * (white - black)
        if black - slack <= low and high <= white + slack and (white < 255 or high >= _LEAST_OF_BYTES):
            return black, white
    return None


def _scaled(array: Any, black: int, white: int) -> UInt8[np.ndarray, "n h w c"]:
    """Return bytes 0..255 for values black..white, rounded; of 16 bits the upper 8. One image at a time in memory."""
    out = np.empty(array.shape, np.uint8)
    for row, image in enumerate(array):
        if white == _DEEP:
            out[row] = image.astype(np.int64) >> 8
        else:
            out[row] = np.rint((image.astype(np.float64) - black) * (255 / (white - black))).clip(0, 255)
    return out


def _labels(
    arrays: _Arrays, counts: Mapping[str, int], path: Path
) -> tuple[dict[str, Int64[np.ndarray, " n"]], tuple[str, ...]]:
    """Return the column of labels and the names of the classes; both are empty where there are no labels."""
    given = {split: arrays[split, "labels"] for split in SPLITS if (split, "labels") in arrays}
    if not given:
        return {}, ()
    if given.keys() != counts.keys():
        odd = min(given.keys() ^ counts.keys())
        has, lacks = ("labels", "images") if odd in given else ("images", "labels")
        raise DataError(f"{path}: the split {odd} has {has}, but no {lacks}; {ADVICE}")
    flat = [_flat(array, name, counts[split], path) for split, (name, array) in given.items()]
    values, numbers = np.unique(np.concatenate(flat), return_inverse=True)
    return {"label": numbers.astype(np.int64)}, tuple(str(value) for value in values)


def _flat(array: Any, name: str, count: int, path: Path) -> Shaped[np.ndarray, " n"]:
    if array.shape not in ((count,), (count, 1)):
        raise DataError(f"{path}: {name} has the shape {array.shape}, not ({count},) as there are images; {ADVICE}")
    flat = np.asarray(array).reshape(-1)
    if flat.dtype.kind == "S":
        flat = np.char.decode(flat, "utf-8", "backslashreplace")
    if flat.dtype.kind == "f" and (flat == np.rint(flat)).all():
        flat = flat.astype(np.int64)
    if flat.dtype.kind not in "biuU":
        raise DataError(f"{path}: {name} holds {flat.dtype}, neither whole numbers nor texts; {ADVICE}")
    return flat
