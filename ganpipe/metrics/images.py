"""Sets of images for `ganpipe score`: a folder or an archive of pictures, or a packed HDF5 file.

What a file is, its content says. Pictures are decoded as packing does, in the order of their names.
"""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ganpipe.data.pack.archives import members
from ganpipe.data.pack.images import SUFFIXES, TooLargeError, Transform, UnreadableError
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, MetricError
from ganpipe.paths import MANIFEST, PACKED_FILE
from ganpipe.progress import progress

_KINDS = "a folder, zip or tar of images, or a packed .h5 file"
_ADVICE = f"give {_KINDS}, as the data.h5 of `dvc repro pack` or the samples.h5 of `dvc repro sample`"
_ONE_SIZE = "give --size N to bring all to N x N pixels, as packing does"

Images = UInt8[np.ndarray, "n h w c"]
Read = Callable[[Int64[np.ndarray, " n"]], Images]


@dataclass(frozen=True)
class ImageSet:
    """Images in a fixed order; `read` takes row numbers and returns copies, (n, height, width, channels)."""

    path: Path
    count: int
    shape: tuple[int, int, int]  # of one image: height, width, channels
    read: Read

    def __len__(self) -> int:
        return self.count


def open_images(path: Path, size: int | None = None) -> ImageSet:
    """Find the images of a folder and its subfolders or of an archive, or open a packed file.

    A folder with one packed file stands for that file. `size`: all images become so many pixels wide and high, as by
    `data.size`; None: they stay as they are. Raises `MetricError` where there is no image, where one cannot be read or
    is of another size than the first, and for a damaged file.
    """
    transform = Transform(crop=None, size=size, channels=3)
    if path.is_dir():
        found = _packed_inside(path)
        return _folder(path, transform) if found is None else _packed(found, transform)
    if not path.exists() and path.suffix != ".h5":  # shards are opened by the name of the file that they make up
        raise MetricError(f"{path}: there is no such folder or file; give {_KINDS}")
    if zipfile.is_zipfile(path) or (path.is_file() and tarfile.is_tarfile(path)):
        return _archive(path, transform)
    if _is_image(Path(path.name)):
        raise MetricError(f"{path}: is one image; give {_KINDS}")
    return _packed(path, transform)


def _packed_inside(folder: Path) -> Path | None:
    """Return the packed file that a folder holds; None: there is none. Its pictures are previews, then."""
    here = sorted(folder.glob("*.h5"))
    if len(here) == 1:
        return here[0]
    if here and (folder / MANIFEST.name).is_file() and all(_is_shard(file) for file in here):
        return folder / PACKED_FILE.name
    if below := here or sorted(folder.rglob("*.h5")):
        raise MetricError(f"{folder}: holds packed sets, name the file: {', '.join(map(str, below[:3]))}")
    return None


def _is_shard(file: Path) -> bool:
    return file.name.startswith(f"{PACKED_FILE.stem}-")


def _packed(path: Path, transform: Transform) -> ImageSet:
    try:
        packed = Packed.open(path, _ADVICE)
        packed.verify()
    except DataError as problem:
        raise MetricError(str(problem)) from None
    fields = [name for name, field in sorted(packed.fields.items()) if field.kind == "image"]
    if len(fields) != 1:
        raise MetricError(_not_one_field(path, packed, fields))
    field = packed.fields[fields[0]]
    return _rows(path, packed.count(field.space), partial(packed.read_rows, fields[0]), transform)


def _not_one_field(path: Path, packed: Packed, images: list[str]) -> str:
    if not images:
        return f"{path}: holds {', '.join(f'{name} ({field})' for name, field in packed.fields.items())}, no images"
    return f"{path}: holds images in {', '.join(images)}; give a folder of images or a file with one field of them"


def _rows(path: Path, count: int, read: Read, transform: Transform) -> ImageSet:
    """Return a set of stored images, transformed where a size is asked for."""

    def transformed(rows: Int64[np.ndarray, " n"]) -> Images:
        images = read(rows)
        if transform.size is None:
            return images
        return np.stack([transform.of_image(Image.fromarray(_plain(image))) for image in images])

    height, width, channels = transformed(np.zeros(1, np.int64)).shape[1:]
    return ImageSet(path, count, (height, width, channels), transformed)


def _plain(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, ...]:
    """Return an image as Pillow wants it: without a dimension for one channel."""
    return image[..., 0] if image.shape[2] == 1 else image


def _folder(path: Path, transform: Transform) -> ImageSet:
    files = sorted(file for file in path.rglob("*") if file.is_file() and _is_image(file.relative_to(path)))
    if not files:
        raise MetricError(f"{path}: holds no images; their names should end in {', '.join(SUFFIXES)}")
    shape = next(_decoded(_contents(files[:1]), transform)).shape

    def read(rows: Int64[np.ndarray, " n"]) -> Images:
        return np.stack(list(_decoded(_contents([files[row] for row in rows]), transform, (files[0].name, shape))))

    return ImageSet(path, len(files), shape, read)


def _is_image(name: Path) -> bool:
    return name.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in name.parts)


def _contents(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        try:
            yield str(file), file.read_bytes()
        except OSError as error:
            raise MetricError(f"{file}: cannot be read: {error.strerror}") from None


def _archive(path: Path, transform: Transform) -> ImageSet:
    """Decode the pictures of an archive to a temporary file, once: an archive cannot be read in random order."""
    names: list[str] = []
    pixels = tempfile.TemporaryFile(prefix="ganpipe-score-")  # noqa: SIM115  it lives as long as the set
    shape = (0, 0, 0)
    with progress(f"Reading {path.name}", unit="img") as bar:
        for image in _decoded(_archived(path, names), transform):
            shape = image.shape
            pixels.write(image.tobytes())
            bar.advance()
    if not names:
        raise MetricError(f"{path}: holds no images; their names should end in {', '.join(SUFFIXES)}")
    order = np.array(sorted(range(len(names)), key=lambda row: names[row].split("/")))
    stored = np.memmap(pixels, np.uint8, "r", shape=(len(names), *shape))
    return ImageSet(path, len(names), shape, lambda rows: np.asarray(stored[order[rows]]))


def _archived(path: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures of an archive, in its order; add their names to `names`."""
    try:
        for member in members(path, lambda name: _is_image(Path(name))):
            if member.problem:
                raise MetricError(f"{path}: its member {member.name!r} {member.problem}")
            names.append(member.name)
            yield f"{path}: {member.name!r}", member.content
    except DataError as problem:
        raise MetricError(str(problem)) from None


def _decoded(
    pictures: Iterable[tuple[str, bytes]], transform: Transform, like: tuple[str, tuple[int, ...]] | None = None
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Decode pictures, which must have the shape of the one named by `like`; None: of the first."""
    for name, content in pictures:
        try:
            image = transform.of_bytes(content)
        except TooLargeError as problem:
            raise MetricError(f"{name}: {problem}; pack it with a larger one and score the data.h5") from None
        except UnreadableError as problem:
            raise MetricError(f"{name}: {problem}") from None
        first, shape = like = like or (name, image.shape)
        if image.shape != shape:
            sizes = [f"{found[1]} x {found[0]}" for found in (image.shape, shape)]
            raise MetricError(f"{name}: is {sizes[0]} pixels, but {first} {sizes[1]}: {_ONE_SIZE}")
        yield image
