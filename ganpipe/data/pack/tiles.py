"""Photographs of any size cut into tiles, with a small version of each tile beside it.

The tiles stand side by side from the upper left corner on; what fills no tile at the right and below is not used. The
small version is cut from the reduced photograph, not made of the tile: so no tile has a border that the photograph does
not have. The photograph is reduced by Pillow's bicubic filter, widened by the scale against aliasing (a = -0.5), as
MATLAB's imresize does, which made the published small sides. Deviations from MATLAB: the weights are rounded to whole
numbers of 22 bits, and at the borders the weights inside count for all, where MATLAB mirrors the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import ExifTags, Image

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset, Tiles
from ganpipe.data.pack.archives import ADVICE, members
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.data.pack.items import TRAIN, Item, is_image, split_at
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.recognise import opened
from ganpipe.data.pack.scan import scan
from ganpipe.data.pack.split_folders import split_of
from ganpipe.errors import ConfigError, DataError
from ganpipe.paths import PARAMS

IMAGE, LOW = "image", "low"
"""The fields of a tile and of its small version."""

EVERY = 8
"""Of so many photographs without folders of splits, by name, the last is for the test."""

_ONE = np.zeros((1, 2), np.float32)
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class Cutter:
    """Cuts a photograph into tiles of `size` x `size` pixels, or into the small versions of these."""

    size: int
    channels: int  # 1 or 3
    max_pixels: int
    scale: int = 1  # side of a tile / side of its small version
    reduced: bool = False
    step: int | None = None  # pixels from a tile to the next; None: side by side
    shorter: int | None = None  # the shorter side of larger photographs is first reduced to this; None: to nothing

    def __str__(self) -> str:
        low = f", reduced {self.scale} times beside (bicubic, antialiased)" if self.scale > 1 else ""
        step = f" every {self.step}" if self.step else ""
        first = f", of photographs whose shorter side is {self.shorter} at most (Lanczos)" if self.shorter else ""
        return f"tiles of {self.size} pixels{step}{first}{low}, {'grey' if self.channels == 1 else 'RGB'}"

    def of_bytes(self, content: bytes, seen: Seen | None = None) -> UInt8[np.ndarray, "n h w c"]:
        """Return the tiles of an encoded photograph, row by row. Raises `UnreadableError`, and no other error."""
        whole = Transform("whole", None, self.channels, max_pixels=self.max_pixels).of_bytes(content, seen)
        if min(whole.shape[:2]) < self.size:
            raise UnreadableError(too_small(whole.shape[1], whole.shape[0], self.size))
        if self.reduced:
            small = self.size // self.scale
            return cut_squares(_reduced(whole, self.scale), small, small)
        width, height = self._first(whole.shape[1], whole.shape[0])
        if (height, width) != whole.shape[:2]:
            whole = _resized(whole, width, height, Image.Resampling.LANCZOS)
        return cut_squares(whole, self.size, self.step or self.size)

    def places(self, content: bytes) -> Float32[np.ndarray, "n 2"]:
        """Return row and column of each tile of the photograph by its header; of one if `of_bytes` will refuse it."""
        try:
            image = opened(content)
            turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
            width, height = image.size[::-1] if turned else image.size
        except Exception:  # of hostile bytes; `of_bytes` finds the reason
            return _ONE
        step = self.step or self.size
        across, down = (max(0, side - self.size + step) // step for side in self._first(width, height))
        places = np.indices((down, across), np.float32).reshape(2, -1).T
        return places if len(places) else _ONE

    def _first(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height to which a photograph is reduced before it is cut; it is never enlarged."""
        short = min(width, height)
        if self.shorter is None or short <= self.shorter:
            return width, height
        return round(width * self.shorter / short), round(height * self.shorter / short)


def too_small(width: int, height: int, size: int) -> str:
    """Return why a photograph has no tile, as the end of a sentence."""
    return f"is {width} x {height} pixels, smaller than a tile: data.size = {size}"


def cut_squares(pixels: UInt8[np.ndarray, "h w c"], side: int, step: int) -> UInt8[np.ndarray, "n side side c"]:
    """Cut a photograph into squares whose corners are `step` pixels apart, row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(0, 1))
    return windows[::step, ::step].transpose(0, 1, 3, 4, 2).reshape(-1, side, side, pixels.shape[2])


def cutters(dataset: Dataset, data: Data) -> dict[str, Cutter]:
    """Return how the tiles of each field are cut: `image`, and `low` unless the scale is 1. Raises `ConfigError`."""
    layout = dataset.layout
    assert isinstance(layout, Tiles) and dataset.size is not None
    require_no_crop(dataset, data)
    size, scale = data.size or dataset.size, data.scale or layout.scale
    if size % scale:
        raise ConfigError(
            f"{PARAMS}: data.size = {size} is no multiple of data.scale = {scale}, so that no small tile belongs to it"
        )
    plain = Cutter(size, data.channels or 3, data.max_pixels, scale)
    small = Cutter(size, data.channels or 3, data.max_pixels, scale, reduced=True)
    return {IMAGE: plain} | ({LOW: small} if scale > 1 else {})


def require_no_crop(dataset: Dataset, data: Data) -> None:
    """Raise `ConfigError` where the params ask for a crop: tiles are cut as they are."""
    if data.crop is not None:
        raise ConfigError(
            f"{PARAMS}: data.crop = {data.crop!r} cuts pictures, but data.name = {dataset.name!r} cuts tiles of "
            "data.size; leave it blank"
        )


def photographs(dataset: Dataset, raw: Path, fields: dict[str, Cutter], bad: Quarantine) -> Iterator[Item]:
    """Yield every photograph once for each field, with its number of tiles.

    The split is that of its file or archive, or the folder at the top of the user's own archive. Without such folders
    every eighth photograph by name is of the split test: all tiles of a photograph are of one split.
    """
    layout = dataset.layout
    assert isinstance(layout, Tiles)
    for photograph in _photographs(raw, layout, bad):
        places = fields[IMAGE].places(photograph.content) if photograph.problem is None else _ONE
        columns = {"photo": PurePosixPath(photograph.name).stem}
        for field in fields:
            yield Item(
                photograph.name,
                photograph.content,
                photograph.problem,
                photograph.split,
                columns,
                field,
                photograph.name,
                len(places),
                {"tile": list(places)},
            )


def _photographs(raw: Path, layout: Tiles, bad: Quarantine) -> Iterator[Item]:
    for split, archive in layout.archives:
        if split is None:
            yield from _own(raw, archive, bad)
        elif is_image(archive):
            yield Item(archive, content_of(raw / archive), None, split)
        else:
            for member in members(raw / archive, is_image):
                yield Item(member.name, member.content, member.problem, split)


def content_of(photograph: Path) -> bytes:
    """Return the bytes of a raw file that is one photograph. Raises `DataError` where it cannot be read."""
    try:
        return photograph.read_bytes()
    except OSError as error:
        raise DataError(f"{photograph}: cannot be read: {error.strerror}; {ADVICE}") from None


def _own(raw: Path, archive: str, bad: Quarantine) -> Iterator[Item]:
    found = scan(raw, archive, bad)
    inside = {name: found.inside(name) for name in found.pictures}
    named = {name: split_of(path.split("/")[0]) if "/" in path else None for name, path in inside.items()}
    places = {name: place for place, name in enumerate(sorted(inside))}
    for member in found.read():
        split = named[member.name] or TRAIN
        if not any(named.values()):
            split = split_at(places[member.name], EVERY)
        yield Item(member.name, member.content, member.problem, split)


def _reduced(pixels: UInt8[np.ndarray, "h w c"], scale: int) -> UInt8[np.ndarray, "y x c"]:
    """Reduce a photograph; what does not fill a pixel at the right and below falls away first."""
    height, width = (side // scale * scale for side in pixels.shape[:2])
    used = np.ascontiguousarray(pixels[:height, :width])
    return _resized(used, width // scale, height // scale, Image.Resampling.BICUBIC)


def _resized(
    pixels: UInt8[np.ndarray, "h w c"], width: int, height: int, by: Image.Resampling
) -> UInt8[np.ndarray, "y x c"]:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    found = np.asarray(image.resize((width, height), by))
    return found if found.ndim == 3 else found[..., np.newaxis]
