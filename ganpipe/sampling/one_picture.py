"""One picture of any size through a trained generator that is given pictures: whole, or tile by tile.

A large picture is made tile by tile, so that memory does not grow with it. Every tile is made of a window that reaches
as far beyond it as the generator looks, so that the tiles are what they would be in the whole picture. Where instance
norms look at whole pictures, all tiles have the statistics of a small version of the picture (Chen et al. 2022,
arXiv:2103.11784), so that neighbours fit together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ganpipe.core.batch import to_float
from ganpipe.core.system import System
from ganpipe.errors import TrainingDiverged
from ganpipe.nets.norm_statistics import instance_norms, recorded, replayed
from ganpipe.sampling.draw import GivenSource, generated
from ganpipe.sampling.published import Asked, Generator

Pixels = UInt8[np.ndarray, "h w c"]
Made = UInt8[np.ndarray, "H W C"]

WHOLE = 1536 * 1536
"""The most pixels of a picture that is made whole, given or made, whichever are more."""
TILE = 1024
"""Side of a tile, in the pixels of what is given or made, whichever are more."""

_NO_MEMORY = ("allocate memory", "bad_alloc", "could not create a primitive")
"""What torch says on the CPU where memory ends; the error has no class of its own."""


class UnfitPictureError(Exception):
    """A generator cannot be given this picture; the message is the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Route:
    """The way of a picture through a generator: the field as which it is given, and the output that is wanted."""

    source: str
    output: str


def translated(generator: Generator, image: Pixels, route: Route, asked: Asked = (), seed: int = 0) -> Made:
    """Return what the generator makes of one picture, with sides in the same proportion to those of the picture.

    The picture is padded on all sides by reflection to multiples of `System.given_multiple` and to the size of the
    data at least, since some layers need more than one place, and the output is cropped back. Noise and dropout are
    those of the first item of `seed`. A picture of more than `WHOLE` pixels is made tile by tile where the generator
    has a `System.reach`. Raises `UnfitPictureError` for a size that the generator does not take, for more
    pixels than there is memory for, and for an output that is not finite.
    """
    height, width = image.shape[:2]
    _, *trained = generator.data.image_shape(route.source, "apply")
    down, across = _margins((height, width), trained, generator.system.given_multiple)
    with _explained(width, height):
        padded = np.pad(image, (down, across, (0, 0)), mode="reflect")
        made = _Translator(generator, route, asked, seed).made(padded)
    factors = np.divide(made.shape[:2], padded.shape[:2])
    top, left, bottom, right = np.rint([down[0], across[0], down[0] + height, across[0] + width] * np.tile(factors, 2))
    return made[int(top) : int(bottom), int(left) : int(right)]


@dataclass(frozen=True)
class _Translator:
    """Makes one output of pictures whose sides the generator takes."""

    generator: Generator
    route: Route
    asked: Asked
    seed: int

    def made(self, picture: Pixels) -> Made:
        """Return the output, whole or put together from tiles."""
        reach = self.generator.system.reach
        if reach is None or picture.shape[0] * picture.shape[1] * self.factor**2 <= WHOLE:
            return self.at_once(picture)
        if not instance_norms(self.generator.system):
            return self.in_tiles(picture, reach)
        with recorded(self.generator.system) as statistics:
            self.at_once(self.thumbnail(picture))
        with replayed(self.generator.system, statistics):
            return self.in_tiles(picture, reach)

    @property
    def factor(self) -> float:
        """How many times the larger of both sides is as long as that of the given picture, by the data."""
        system = self.generator.system
        wide = [system.data.fields[field].shape[2] for field in (self.route.source, system.outputs[self.route.output])]
        return max(1.0, wide[1] / wide[0])

    @property
    def multiple(self) -> int:
        """What the sides of given pictures are multiples of."""
        return self.generator.system.given_multiple or 1

    def at_once(self, picture: Pixels) -> Made:
        given = _OnePicture(self.generator.system, self.route.source, to_float(torch.from_numpy(picture)[None]))
        (inputs,) = self.generator.inputs(1, self.seed, self.asked, given)
        return generated(self.generator.system, inputs, self.seed)[self.route.output][0]

    def in_tiles(self, picture: Pixels, reach: int) -> Made:
        """Make each tile of a window that goes `reach` pixels beyond it, but not beyond the picture."""
        beyond = math.ceil(reach / self.multiple) * self.multiple
        height, width = picture.shape[:2]
        made: Made | None = None
        for (top, bottom), (left, right) in product(self.tiles(height), self.tiles(width)):
            upper, outer = max(0, top - beyond), max(0, left - beyond)
            window = picture[upper : bottom + beyond, outer : right + beyond]
            tile = self.at_once(np.ascontiguousarray(window))
            down, across = tile.shape[0] / window.shape[0], tile.shape[1] / window.shape[1]
            if made is None:
                made = np.empty((round(height * down), round(width * across), tile.shape[2]), np.uint8)
            rows = slice(round(top * down), round(bottom * down))
            columns = slice(round(left * across), round(right * across))
            first, start = rows.start - round(upper * down), columns.start - round(outer * across)
            made[rows, columns] = tile[first:, start:][: rows.stop - rows.start, : columns.stop - columns.start]
        assert made is not None
        return made

    def tiles(self, side: int) -> list[tuple[int, int]]:
        """Return where the tiles of one side begin and end: multiples of what the generator takes, the last is rest."""
        step = max(1, int(TILE / self.factor) // self.multiple) * self.multiple
        return [(start, min(start + step, side)) for start in range(0, side, step)]

    def thumbnail(self, picture: Pixels) -> UInt8[np.ndarray, "y x c"]:
        """Return the picture with no more pixels than a tile, and sides that the generator takes."""
        height, width = picture.shape[:2]
        smaller = TILE / self.factor / math.sqrt(height * width)
        _, *trained = self.generator.data.image_shape(self.route.source, "apply")
        sides = [
            max(round(side * smaller / self.multiple), math.ceil(least / self.multiple)) * self.multiple
            for side, least in zip((height, width), trained, strict=True)
        ]
        image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        return np.array(image.resize(sides[::-1], Image.Resampling.BICUBIC)).reshape(*sides, -1)


@dataclass(frozen=True)
class _OnePicture(GivenSource):
    """A source of rows: one picture, and grey of the data's size for pictures that the wanted output is not made of."""

    system: System
    field: str
    picture: Float[Tensor, "1 c h w"]

    def count(self, space: str) -> int:
        return 1

    def fetch(self, field: str, start: int, count: int) -> Tensor:
        picture = self.picture if field == self.field else torch.zeros(1, *self.system.data.fields[field].shape)
        return picture.expand(count, -1, -1, -1)


def _margins(sides: tuple[int, int], trained: Sequence[int], multiple: int | None) -> list[tuple[int, int]]:
    """Return how much is padded before and after, for the height and for the width."""
    if multiple is None:
        if list(sides) != list(trained):
            size, fixed = (f"{width} x {height} pixels" for height, width in (sides, trained))
            raise UnfitPictureError(f"is {size}, and this generator takes {fixed} only")
        return [(0, 0), (0, 0)]
    missing = [-(-max(side, least) // multiple) * multiple - side for side, least in zip(sides, trained, strict=True)]
    return [(more // 2, more - more // 2) for more in missing]


@contextmanager
def _explained(width: int, height: int) -> Iterator[None]:
    """Turn a lack of memory, and numbers that are not finite, into an `UnfitPictureError` of a picture of this size."""
    try:
        yield
    except TrainingDiverged as error:
        raise UnfitPictureError(f"cannot be translated: {error}") from None
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            said in str(error) for said in _NO_MEMORY
        ):
            raise
        raise UnfitPictureError(
            f"is {width} x {height} pixels, and the generator needs more memory for it than there is: make it smaller"
        ) from None
