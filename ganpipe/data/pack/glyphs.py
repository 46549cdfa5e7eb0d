"""Characters drawn in two fonts, on one baseline and at one scale, so that what is drawn is all that differs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from ganpipe.data.catalogue.dataset import Dataset, Glyphs
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.items import Item, split_at

_EM = 0.72  # of the side of the picture: DejaVu's tall letters with accents have room
_BASELINE = 0.72  # of the side, from above
_EVERY = 10  # of the characters by number, one is for the test


@dataclass(frozen=True)
class Pen:
    """Draws a character of a font black on white, its middle in the middle; what does not fit is cut off.

    By Pillow's FreeType without its layout library, hinting as in the font. Another version may smooth edges otherwise.
    """

    font: Path
    size: int  # side of the picture, pixels
    channels: int  # 1 or 3

    def __str__(self) -> str:
        return f"drawn at {self.size} x {self.size} pixels, black on white, {'grey' if self.channels == 1 else 'RGB'}"

    def of_bytes(self, content: bytes, seen: Seen | None = None) -> UInt8[np.ndarray, "h w c"]:
        """Draw the character whose UTF-8 code is given."""
        if seen is not None:
            seen.pictures += 1
        image = Image.new("L", (self.size, self.size), 255)
        at = (self.size / 2, _BASELINE * self.size)
        ImageDraw.Draw(image).text(at, content.decode(), 0, _opened(self.font, _EM * self.size), anchor="ms")
        return np.repeat(np.asarray(image)[..., np.newaxis], self.channels, axis=2)


def characters(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield every character that both fonts have, once for each, in the order of their numbers."""
    from matplotlib.ft2font import FT2Font  # for this set alone

    layout = dataset.layout
    assert isinstance(layout, Glyphs)
    common = set.intersection(*(set(FT2Font(str(raw / font)).get_charmap()) for font in (layout.a, layout.b)))
    for place, number in enumerate(sorted(common)):
        split = split_at(place, _EVERY)
        for field in ("a", "b"):
            yield Item(f"U+{number:04X}", chr(number).encode(), None, split, field=field, key=f"{number:06X}")


@functools.lru_cache(maxsize=4)
def _opened(font: Path, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font), size, layout_engine=ImageFont.Layout.BASIC)
