"""Sets of images for `ganpipe score`: a folder or an archive of pictures, NumPy arrays, or a packed HDF5 file.

What a file is, its content says. Pictures are decoded as packing does, in the order of their names.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ganpipe.config import Data
from ganpipe.data.catalogue.folders import ARCHIVES, ARRAYS
from ganpipe.data.download.user_archive import raw_name
from ganpipe.data.pack.archives import members
from ganpipe.data.pack.arrays import read_arrays
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.images import TooLargeError, Transform, UnreadableError
from ganpipe.data.pack.items import is_hidden
from ganpipe.data.pack.left_out import Quarantine, counted
from ganpipe.data.pack.recognise import BEGINNING, begins_like_picture, is_picture, kind_of
from ganpipe.data.pack.scan import ADVICE
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, DataError, MetricError
from ganpipe.paths import MANIFEST, PACKED_FILE
from ganpipe.progress import progress

_ADVICE = f"give a folder, zip or tar of images, an .npy or .npz of them, or a packed file such as {PACKED_FILE}"
_ONE_SIZE = "give --size N to bring all to N x N pixels, as packing does"
_NO_PICTURES = "no pictures in a format that is read"

Images = UInt8[np.ndarray, "n h w c"]
Read = Callable[[Int64[np.ndarray, " n"]], Images]


@dataclass(frozen=True)
class ImageSet:
    """Images in a fixed order; `read` takes row numbers and returns copies, (n, height, width, channels)."""

    path: Path
    count: int
    shape: tuple[int, int, int]  # of one image: height, width, channels
    read: Read
    left_out: str = ""  # what else was there: `3 .txt, no pictures in a format that is read`

    def __len__(self) -> int:
        return self.count


def open_images(path: Path, size: int | None = None) -> ImageSet:
    """Find the images of a folder and its subfolders or of an archive, or open arrays or a packed file.

    A folder with one packed file stands for that file. `size`: all images become so many pixels wide and high, as by
    `data.size`; None: they stay as they are. Raises `MetricError` where there is no image, where one cannot be read or
    is of another size than the first, and for a damaged file.
    """
    transform = Transform(crop=None, size=size, channels=3)
    if path.is_dir():
        found = _packed_inside(path)
        return _folder(path, transform) if found is None else _packed(found, transform)
    if not path.exists():  # shards are opened by the name of the file that they make up
        if path.suffix == ".h5":
            return _packed(path, transform)
        raise MetricError(f"{path}: there is no such folder or file; {_ADVICE}")
    kind = _kind(path)
    if kind in ARCHIVES:
        return _archive(path, transform)
    if kind in ARRAYS:
        return _arrays(path, transform)
    if _is_picture(path, path.name):
        raise MetricError(f"{path}: is one image; {_ADVICE}")
    return _packed(path, transform)


def _kind(path: Path) -> str | None:
    try:
        return raw_name(path)
    except ConfigError as problem:
        raise MetricError(f"{path}: {str(problem).removeprefix(f'data.source = {str(path)!r}: ')}; {_ADVICE}") from None


def _packed_inside(folder: Path) -> Path | None:
    """Return the packed file that a folder holds, whose pictures are previews then; None: there is none."""
    here = sorted(folder.glob("*.h5"))
    if len(here) == 1:
        return here[0]
    if here and (folder / MANIFEST.name).is_file() and all(file.match(f"{PACKED_FILE.stem}-*") for file in here):
        return folder / PACKED_FILE.name
    if found := here or sorted(folder.rglob("*.h5")):
        raise MetricError(f"{folder}: holds packed sets, give one of these files: {', '.join(map(str, found[:3]))}")
    return None


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


def _arrays(path: Path, transform: Transform) -> ImageSet:
    beside = Quarantine(path, Data(name="folder"))
    try:
        images = read_arrays(path, beside, Seen())[0].columns["image"]
    except DataError as problem:
        raise MetricError(str(problem).removesuffix(f"; {ADVICE}")) from None
    left_out = f"{counted(beside.kinds)} of neither images nor labels" if beside else ""
    return _rows(path, len(images), images.__getitem__, transform, left_out)


def _rows(path: Path, count: int, read: Read, transform: Transform, left_out: str = "") -> ImageSet:
    """Return a set of stored images: grey or colour ones as they are, transformed where that or a size is needed."""

    def transformed(rows: Int64[np.ndarray, " n"]) -> Images:
        images = read(rows)
        if transform.size is None and images.shape[3] in (1, 3):
            return images
        pictures = (Image.fromarray(one[..., 0] if one.shape[2] == 1 else one) for one in images)
        return np.stack([transform.of_image(picture) for picture in pictures])

    height, width, channels = transformed(np.zeros(1, np.int64)).shape[1:]
    return ImageSet(path, count, (height, width, channels), transformed, left_out)


def _folder(path: Path, transform: Transform) -> ImageSet:
    kinds: Counter[str] = Counter()
    files = []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if not file.is_file() or is_hidden(name):
            continue
        if _is_picture(file, name):
            files.append(file)
        else:
            kinds[kind_of(name)] += 1
    _require_some(path, files, kinds)
    shape = next(_decoded(_contents(files[:1]), transform)).shape

    def read(rows: Int64[np.ndarray, " n"]) -> Images:
        return np.stack(list(_decoded(_contents([files[row] for row in rows]), transform, (files[0].name, shape))))

    return ImageSet(path, len(files), shape, read, _told(kinds))


def _is_picture(file: Path, name: str) -> bool:
    """Return whether a file is a picture, reading no more of it than needed."""
    try:
        with file.open("rb") as opened:
            beginning = opened.read(BEGINNING)
            return begins_like_picture(beginning) or is_picture(name, beginning + opened.read())
    except OSError as error:
        raise MetricError(f"{file}: cannot be read: {error.strerror}") from None


def _require_some(path: Path, pictures: Sequence[object], kinds: Counter[str]) -> None:
    if not pictures:
        raise MetricError(f"{path}: holds no images{f', only {_told(kinds)}' if kinds else ''}; {_ADVICE}")


def _told(kinds: Counter[str]) -> str:
    return f"{counted(kinds)}, {_NO_PICTURES}" if kinds else ""


def _contents(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        try:
            yield str(file), file.read_bytes()
        except OSError as error:
            raise MetricError(f"{file}: cannot be read: {error.strerror}") from None


def _archive(path: Path, transform: Transform) -> ImageSet:
    """Decode the pictures of an archive to a temporary file, once: an archive cannot be read in random order."""
    names: list[str] = []
    kinds: Counter[str] = Counter()
    pixels = tempfile.TemporaryFile(prefix="ganpipe-score-")  # noqa: SIM115  it lives as long as the set
    shape = (0, 0, 0)
    with progress(f"Reading {path.name}", unit="img") as bar:
        for image in _decoded(_archived(path, names, kinds), transform):
            shape = image.shape
            pixels.write(image.tobytes())
            bar.advance()
    _require_some(path, names, kinds)
    order = np.array(sorted(range(len(names)), key=lambda row: names[row].split("/")))
    stored = np.memmap(pixels, np.uint8, "r", shape=(len(names), *shape))
    return ImageSet(path, len(names), shape, lambda rows: np.asarray(stored[order[rows]]), _told(kinds))


def _archived(path: Path, names: list[str], kinds: Counter[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures of an archive, in its order; note their names, and the kinds of other files."""
    try:
        for member in members(path, lambda name: not is_hidden(name) and not name.endswith("/"), advice=_ADVICE):
            if member.problem:
                raise MetricError(f"{path}: its member {member.name!r} {member.problem}")
            if is_picture(member.name, member.content):
                names.append(member.name)
                yield f"{path}: {member.name!r}", member.content
            else:
                kinds[kind_of(member.name)] += 1
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
