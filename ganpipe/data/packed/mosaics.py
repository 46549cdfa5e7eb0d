"""Photographs put together again from the tiles that a packed file holds, and what was made of them. Without torch.

The tiles of a photograph are neighbouring rows, and the field `tile` says in which row and column of it each lies. What
filled no tile at the right and below is not in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError
from ganpipe.files import read_sealed, sha256_of

Pixels = UInt8[np.ndarray, "h w c"]

INDEX = "index.json"
"""The file in a folder of photographs that names them."""
PHOTO, TILE = "photo", "tile"
"""The fields of the name of the photograph of a tile, and of the row and the column of the tile in it, from 0 on."""


@dataclass(frozen=True)
class Mosaic:
    """One photograph: the rows of its tiles by row and column, and a name that no other photograph of the file has."""

    name: str
    rows: Int64[np.ndarray, "down across"]

    def pixels(self, packed: Packed, field: str) -> UInt8[np.ndarray, "h w c"]:
        """Return the photograph by the tiles of an image field, such as the small version of each."""
        down, across = self.rows.shape
        tiles = packed.read_rows(field, self.rows.ravel())
        _, height, width, channels = tiles.shape
        whole = tiles.reshape(down, across, height, width, channels).swapaxes(1, 2)
        return whole.reshape(down * height, across * width, channels)


def held_out_mosaics(packed: Packed, space: str) -> list[Mosaic]:
    """Return the photographs of the split test, else of the split valid; [] where there is none."""
    splits = packed.splits(space)
    return list(mosaics(packed, splits.get("test") or splits.get("valid") or range(0)))


def mosaics(packed: Packed, rows: range) -> Iterator[Mosaic]:
    """Yield the photographs whose tiles lie in these rows; nothing where the file does not hold tiles."""
    fields = packed.fields
    if TILE not in fields or PHOTO not in fields or not rows:
        return
    places = packed.slice(TILE, rows).astype(np.int64)
    names = packed.spec.names(PHOTO)
    numbers = packed.slice(PHOTO, rows)
    starts = np.flatnonzero((places == 0).all(axis=1))
    taken: set[str] = set()
    for start, stop in zip(starts, [*starts[1:], len(places)], strict=True):
        down, across = places[start:stop].max(axis=0) + 1
        name = stem = names[numbers[start]]
        while name in taken:  # two folders may hold photographs of one name
            name = f"{stem}_{len(taken)}"
        taken.add(name)
        yield Mosaic(name, (rows.start + np.arange(start, stop)).reshape(down, across))


def read_photographs(folder: Path, output: str) -> dict[str, Pixels]:
    """Return what `sampling.photographs` has made for an output, by the names of the photographs; {} for nothing.

    Samples that something else wrote have no such folder. Raises `DataError` where the index or a picture is missing or
    damaged.
    """
    index = folder / INDEX
    if not folder.exists():
        return {}
    try:
        made: dict[str, str] = read_sealed(index)["made"].get(output, {})
        if odd := [name for name, sha256 in made.items() if sha256_of(_path(folder, output, name)) != sha256]:
            raise ValueError(f"{output}/{odd[0]}.png is not the picture that was made")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{index}: {' '.join(str(error).split())}; run `dvc repro sample`") from None
    return {name: _read(_path(folder, output, name)) for name in made}


def _path(folder: Path, output: str, name: str) -> Path:
    return folder / output / f"{name}.png"


def enlarged_to(pixels: Pixels, height: int, width: int) -> UInt8[np.ndarray, "y x c"]:
    """Return pixels enlarged by Pillow's bicubic filter: the usual baseline."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, -1)


def _read(path: Path) -> Pixels:
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
