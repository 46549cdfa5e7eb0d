"""Sets of images for `ganpipe score`: a folder of pictures, or a packed HDF5 file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from ganpipe.data.pack.images import SUFFIXES, Transform, UnreadableError
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, MetricError

_ADVICE = "give a folder of images, or the data.h5 of `dvc repro pack`"
_AS_THEY_ARE = Transform(crop=None, size=None, channels=3)


@dataclass(frozen=True)
class ImageSet:
    """Images in a fixed order; `read` takes row numbers and returns copies, (n, height, width, channels)."""

    path: Path
    count: int
    shape: tuple[int, int, int]  # of one image: height, width, channels
    read: Callable[[Int64[np.ndarray, " n"]], UInt8[np.ndarray, "n h w c"]]

    def __len__(self) -> int:
        return self.count


def open_images(path: Path) -> ImageSet:
    """Find the images of a folder and its subfolders, by name, or open a packed file.

    Raises `MetricError` for a folder without images and for a damaged file.
    """
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() in SUFFIXES:
        raise MetricError(f"{path}: is one image; give a folder of images or a packed .h5 file")
    if not path.exists() and path.suffix != ".h5":  # shards are opened by the name of the file that they make up
        raise MetricError(f"{path}: there is no such folder or file; give a folder of images or a packed .h5 file")
    try:
        packed = Packed.open(path, _ADVICE)
        packed.verify()
    except DataError as problem:
        raise MetricError(str(problem)) from None
    fields = [name for name, field in sorted(packed.fields.items()) if field.kind == "image"]
    if len(fields) != 1:
        raise MetricError(_not_one_field(path, packed, fields))
    field = packed.fields[fields[0]]
    height, width, channels = field.stored_shape
    shape = height, width, channels
    return ImageSet(path, packed.count(field.space), shape, partial(packed.read_rows, fields[0]))


def _not_one_field(path: Path, packed: Packed, images: list[str]) -> str:
    if not images:
        return f"{path}: holds {', '.join(f'{name} ({field})' for name, field in packed.fields.items())}, no images"
    return f"{path}: holds images in {', '.join(images)}; give a folder of images or a file with one field of them"


def _folder(path: Path) -> ImageSet:
    if packed := sorted(path.glob("*.h5")):  # its pictures are previews
        raise MetricError(f"{path}: holds a packed set, name its file: {packed[0]}")
    files = sorted(file for file in path.rglob("*") if file.is_file() and _is_image(file.relative_to(path)))
    if not files:
        raise MetricError(f"{path}: holds no images; their names should end in {', '.join(SUFFIXES)}")
    first = _pixels(files[0])
    return ImageSet(path, len(files), first.shape, lambda rows: _decoded([files[row] for row in rows], files[0], first))


def _is_image(name: Path) -> bool:
    return name.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in name.parts)


def _decoded(files: list[Path], first: Path, like: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Decode as packing does. Raises `MetricError` naming a file that cannot be read or is not as large as `first`."""
    images = [_pixels(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != like.shape:
            sizes = [f"{pixels.shape[1]} x {pixels.shape[0]}" for pixels in (image, like)]
            raise MetricError(
                f"{file}: is {sizes[0]} pixels, but {first.name} {sizes[1]}: bring all to one size, as "
                "data.name: folder with data.size does"
            )
    return np.stack(images)


def _pixels(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    try:
        return _AS_THEY_ARE.of_bytes(file.read_bytes())
    except OSError as error:
        raise MetricError(f"{file}: cannot be read: {error.strerror}") from None
    except UnreadableError as problem:
        raise MetricError(f"{file}: {problem}") from None
