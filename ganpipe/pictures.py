"""Pictures of data and samples: grids of images or vectors and heat maps, drawn with NumPy, saved with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from ganpipe.files import replacing

BACKGROUND = 128  # grey: neither black nor white images melt into it
HEAT_CELL = (8, 32)  # height and width of a number in a heat map, pixels
FRAMES = 50  # of a film at most; then frames are left out evenly
FRAME_SIDE = 720  # pixels at most
FRAME_MILLISECONDS, LAST_MILLISECONDS = 300, 2000
LABEL_HEIGHT = 14  # pixels, of the font
EASY_TO_SEE = 64  # pixels; smaller images are enlarged to at least this side


def grid(images: UInt8[np.ndarray, "n h w c"], columns: int, pad: int = 2, scale: int | None = None) -> Image.Image:
    """Lay images (1 or 3 channels) out in rows of `columns`, `pad` grey pixels around each.

    Every pixel becomes `scale` x `scale` pixels; None: as many as make the longer side at least 64.
    """
    count, height, width, channels = images.shape
    if scale is None:
        scale = max(1, -(-EASY_TO_SEE // max(height, width)))
    rows = -(-count // columns)
    cells = np.full((rows * columns, height * scale + pad, width * scale + pad, channels), BACKGROUND, np.uint8)
    cells[:count, pad:, pad:] = images.repeat(scale, axis=1).repeat(scale, axis=2)
    _, cell_height, cell_width, _ = cells.shape
    sheet = cells.reshape(rows, columns, cell_height, cell_width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * cell_height, columns * cell_width, channels)
    return _picture(np.pad(sheet, ((0, pad), (0, pad), (0, 0)), constant_values=BACKGROUND))


def heat_map(vectors: Float[np.ndarray, "n d"], cell: tuple[int, int] = HEAT_CELL) -> Image.Image:
    """Draw each vector as a row of grey cells of (height, width) pixels: 0 is black, 1 white; outside is clamped.

    Raises `ValueError` for numbers that are not finite: they have no grey.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("a heat map of numbers that are not finite")
    grey = np.round(255 * np.clip(vectors.astype(np.float64), 0, 1)).astype(np.uint8)
    return _picture(grey.repeat(cell[0], axis=0).repeat(cell[1], axis=1)[..., np.newaxis])


def sheet(items: Shaped[np.ndarray, "n ..."], columns: int | None = None) -> Image.Image:
    """Draw samples of either kind: images as a grid (None: as square as can be), vectors as a heat map.

    Walks between latents are a sheet with one row per pair of end points and one column per step.
    """
    if items.ndim == 2:
        return heat_map(items)
    return grid(items, columns or math.isqrt(len(items) - 1) + 1)


def as_images(items: Shaped[np.ndarray, "n ..."]) -> UInt8[np.ndarray, "n h w c"]:
    """Return images as they are, and vectors as grey images one pixel high: 0 is black, 1 white; outside is clamped."""
    if items.ndim == 4:
        return items
    return np.round(255 * np.clip(items.astype(np.float64), 0, 1)).astype(np.uint8)[:, np.newaxis, :, np.newaxis]


def labelled(picture: Image.Image, labels: Sequence[str]) -> Image.Image:
    """Write one label before each row of a picture whose rows are equally high."""
    font = ImageFont.load_default(LABEL_HEIGHT)
    margin = max(math.ceil(font.getlength(label)) for label in labels) + LABEL_HEIGHT
    whole = Image.new(picture.mode, (margin + picture.width, picture.height), (BACKGROUND,) * len(picture.getbands()))
    whole.paste(picture, (margin, 0))
    draw = ImageDraw.Draw(whole)
    for row, label in enumerate(labels):
        place = margin - LABEL_HEIGHT // 2, (row + 0.5) * picture.height / len(labels)
        draw.text(place, label, fill="white", font=font, anchor="rm")
    return whole


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture atomically; the same pixels give the same bytes."""
    with replacing(path) as part:
        image.save(part, format="PNG", compress_level=6)


def _picture(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def save_evolution(previews: Sequence[Path], folder: Path, kind: Literal["image", "vector"]) -> None:
    """Join previews, oldest first, into one picture of the training: `evolution.gif` or `evolution.png` in `folder`.

    Images become a film of at most `FRAMES` previews. Of vectors the topmost of each preview is taken, and they are
    stacked: a heat map in which time runs down. The same previews give the same bytes.
    """
    if kind == "vector":
        strips = [np.asarray(_opened(path))[: HEAT_CELL[0]] for path in previews]
        save_png(Image.fromarray(np.concatenate(strips)), folder / "evolution.png")
        return
    chosen = np.unique(np.linspace(0, len(previews) - 1, FRAMES).round().astype(int))
    first, *rest = [_reduced(_opened(previews[number])) for number in chosen]
    times = [FRAME_MILLISECONDS] * len(rest) + [LAST_MILLISECONDS]
    with replacing(folder / "evolution.gif") as part:
        first.save(part, format="GIF", save_all=True, append_images=rest, duration=times, loop=0)


def _reduced(picture: Image.Image) -> Image.Image:
    """Shrink a picture by a whole number until it is no larger than a frame."""
    return picture.reduce(-(-max(picture.size) // FRAME_SIDE))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture
