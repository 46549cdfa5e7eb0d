"""Turns one drawing (SVG) into one array of pixels, at any size straight from its curves.

The library `resvg_py` draws; it uses no font and no library of the system, so that machines of one kind draw alike.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.images import Transform, UnreadableError
from ganpipe.errors import DataError


@dataclass(frozen=True)
class Drawing:
    """Draws at `size` x `size` pixels. Transparent parts lie over white; grey is ITU-R 601 luma."""

    size: int
    channels: int  # 1 or 3

    def __str__(self) -> str:
        return f"drawn at {self.size} x {self.size} by resvg, over white, {'grey' if self.channels == 1 else 'RGB'}"

    def of_bytes(self, content: bytes, seen: Seen | None = None) -> UInt8[np.ndarray, "h w c"]:
        """Draw a square SVG. Raises `UnreadableError` where it is not one."""
        import resvg_py  # only sets of drawings need the extra

        try:
            png = resvg_py.svg_to_bytes(
                svg_string=content.decode(), width=self.size, height=self.size, skip_system_fonts=True
            )
        except ValueError as error:
            raise UnreadableError(f"cannot be drawn: {' '.join(str(error).split())[:200]}") from None
        return Transform(crop=None, size=None, channels=self.channels).of_bytes(bytes(png), seen)


def require_resvg(name: str) -> None:
    """Raise `DataError` where the library that draws the set `name` is missing."""
    if importlib.util.find_spec("resvg_py") is None:
        raise DataError(
            f"data.name = {name!r} consists of drawings, and the Python package resvg-py, which draws them, is "
            "missing; run `pip install 'ganpipe[emoji]'`"
        )
