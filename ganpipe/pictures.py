"""Pictures of data and samples: grids, heat maps, labelled columns and films, drawn with NumPy, saved with Pillow.

Items are arrays in stored form: images uint8 (n, h, w, c), vectors float (n, d), sequences float (n, t, f). Tokens,
labels and attributes have no picture. The same items give the same bytes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from ganpipe.core.spec import Kind
from ganpipe.files import replacing

DRAWN: tuple[Kind, ...] = ("image", "vector", "sequence")
"""The kinds that have a picture."""

BACKGROUND = 128  # grey: neither black nor white images melt into it
HEAT_CELL = (8, 32)  # height and width of a number in a heat map of vectors, pixels
STEP_CELL = (8, 4)  # height and width of a number in a heat map of a sequence, pixels
FRAMES = 50  # of a film at most; then frames are left out evenly
FRAME_SIDE = 720  # pixels at most
FRAME_MILLISECONDS, LAST_MILLISECONDS = 300, 2000
LABEL_HEIGHT = 14  # pixels, of the font
EASY_TO_SEE = 64  # pixels; smaller images are enlarged to at least this side
NOTE_HEIGHT = 12  # pixels, of Pillow's own font
CELL_SIDE = 128  # pixels; the largest images of a strip are enlarged to about this side

_LETTER_WIDTH = 6  # pixels, of Pillow's own font
_NOTE_LINES = 4  # at most
_NOTES_WIDTH = 96  # pixels, of a cell with several notes

Limits = tuple[float, float]
"""The values that are drawn black and white."""


def grid(images: UInt8[np.ndarray, "n h w c"], columns: int, pad: int = 2, scale: int | None = None) -> Image.Image:
    """Lay images (1 or 3 channels) out in rows of `columns`, `pad` grey pixels around each.

    Every pixel becomes `scale` x `scale` pixels; None: as many as make the longer side at least `EASY_TO_SEE`.
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
    return picture_of(np.pad(sheet, ((0, pad), (0, pad), (0, 0)), constant_values=BACKGROUND))


def heat_map(vectors: Float[np.ndarray, "n d"], cell: tuple[int, int] = HEAT_CELL) -> Image.Image:
    """Draw each vector as a row of grey cells of (height, width) pixels: 0 is black, 1 white; outside is clamped.

    Raises `ValueError` for numbers that are not finite.
    """
    return picture_of(_grey(vectors, (0.0, 1.0)).repeat(cell[0], axis=0).repeat(cell[1], axis=1)[..., np.newaxis])


def sheet(
    items: Shaped[np.ndarray, "n ..."],
    columns: int | None = None,
    kind: Kind | None = None,
    limits: Limits | None = None,
) -> Image.Image:
    """Draw items of one kind: images and sequences as a grid, vectors as one heat map with a row for each.

    `columns` None makes the grid about square. `kind` and `limits` are those of `as_images`; vectors are always drawn
    from 0 to 1. Raises `ValueError` for items that have no picture.
    """
    found = _kind_of(items, kind)
    if found == "vector":
        return heat_map(items)
    columns = columns or math.isqrt(len(items) - 1) + 1
    images = as_images(items, kind, limits)
    if found == "sequence":
        return grid(_enlarged(images, *STEP_CELL), columns, scale=1)
    return grid(images, columns)


def as_images(
    items: Shaped[np.ndarray, "n ..."], kind: Kind | None = None, limits: Limits | None = None
) -> UInt8[np.ndarray, "n h w c"]:
    """Return one image per item, a pixel for every number: images as they are, all others grey, clamped at the limits.

    A vector becomes an image one pixel high, 0 black and 1 white unless `limits` says otherwise. A sequence (t, f)
    becomes an image f high and t wide: time runs to the right, the first column is at the bottom. Its `limits` are by
    default the least and the greatest value of all these items; equal ones give black. Pass the limits of the training
    data where pictures are to be compared. `kind` None is told from the array. Raises `ValueError` for numbers that
    are not finite, and for items that have no picture.
    """
    found = _kind_of(items, kind)
    if found == "image":
        return items
    if found == "vector":
        return _grey(items, limits or (0.0, 1.0))[:, np.newaxis, :, np.newaxis]
    return _grey(items, limits or _range(items)).swapaxes(1, 2)[:, ::-1, :, np.newaxis]


def strip(columns: Sequence[tuple[str, Shaped[np.ndarray, "n ..."]]]) -> Image.Image:
    """Draw items side by side that belong together, such as a given image, the output made from it and the target.

    Each column is a title and `n` items of any kind that has a picture; row i holds item i of every column. Items
    smaller than the largest are enlarged by whole numbers to at most the side of its cell, and centred. Raises
    `ValueError` for columns of unequal length, or for items that have no picture.
    """
    if len({len(items) for _, items in columns}) != 1:
        raise ValueError(f"columns of unequal length: {', '.join(f'{title} {len(items)}' for title, items in columns)}")
    cells = [as_images(items) for _, items in columns]
    side = max(max(images.shape[1:3]) for images in cells)
    side *= max(1, CELL_SIDE // side)
    cells = [_fitted(images, side, _kind_of(items)) for images, (_, items) in zip(cells, columns, strict=True)]
    height, channels = max(images.shape[1] for images in cells), max(images.shape[3] for images in cells)
    drawn = [
        _titled(grid(_centred(images, height, channels), columns=1, scale=1), title)
        for images, (title, _) in zip(cells, columns, strict=True)
    ]
    return _side_by_side(drawn)


def labelled(picture: Image.Image, labels: Sequence[str]) -> Image.Image:
    """Write one label before each row of a picture whose rows are equally high."""
    font = ImageFont.load_default(LABEL_HEIGHT)
    margin = max(math.ceil(font.getlength(label)) for label in labels) + LABEL_HEIGHT
    whole = _canvas(picture.mode, margin + picture.width, picture.height)
    whole.paste(picture, (margin, 0))
    draw = ImageDraw.Draw(whole)
    for row, label in enumerate(labels):
        place = margin - LABEL_HEIGHT // 2, (row + 0.5) * picture.height / len(labels)
        draw.text(place, label, fill="white", font=font, anchor="rm")
    return whole


def page(
    images: Sequence[UInt8[np.ndarray, "n _ _ _"]], notes: Sequence[Sequence[str]], columns: int | None = None
) -> Image.Image:
    """Lay rows out: the pictures of a row side by side, over its notes where there are some.

    Long notes are broken into lines. Cells with several notes, or with long ones, are wider where the pictures are
    small. `columns` None makes the page about square.
    """
    rows = [[grid(one[row : row + 1], 1, pad=1) for one in images] for row in range(len(images[0]))]
    cells = [joined(row, down=False) for row in rows]
    columns = columns or math.isqrt(len(cells) - 1) + 1
    width = cells[0].width
    if any(len(row) > 1 or len(row[0]) > 2 * width // _LETTER_WIDTH for row in notes):
        width = max(width, _NOTES_WIDTH)
    lines = [[line for note in row for line in _broken(note, width)] for row in notes]
    height = cells[0].height + NOTE_HEIGHT * max(map(len, lines), default=0)
    whole = Image.new("RGB", (columns * width, -(-len(cells) // columns) * height), (BACKGROUND,) * 3)
    draw = ImageDraw.Draw(whole)
    for number, cell in enumerate(cells):
        left, top = number % columns * width, number // columns * height
        whole.paste(cell, (left, top))
        for line, text in enumerate(lines[number] if lines else ()):
            place = left + 2, top + cell.height - 1 + line * NOTE_HEIGHT
            draw.text(place, text, fill="white")
    return whole


def joined(parts: list[Image.Image], down: bool) -> Image.Image:
    """Lay pictures side by side, or one below the other."""
    widths, heights = [part.width for part in parts], [part.height for part in parts]
    size = (max(widths), sum(heights)) if down else (sum(widths), max(heights))
    whole = Image.new("RGB", size, (BACKGROUND,) * 3)
    at = 0
    for part in parts:
        whole.paste(part, (0, at) if down else (at, 0))
        at += part.height if down else part.width
    return whole


def picture_of(pixels: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """Return one image in stored form, grey or colour, as Pillow has it."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture atomically."""
    with replacing(path) as part:
        image.save(part, format="PNG", compress_level=6)


def save_evolution(previews: Sequence[Path], folder: Path, kind: Kind) -> None:
    """Join previews (sheets of items of one kind), oldest first, into a picture of the training in `folder`.

    Images and sequences become `evolution.gif`, a film of at most `FRAMES` previews. Frames that are smaller than the
    largest, of a generator whose output grows, are enlarged by whole numbers and centred. Of vectors the topmost of
    each preview is taken for `evolution.png`, a heat map in which time runs down.
    """
    if kind == "vector":
        strips = [np.asarray(_opened(path))[: HEAT_CELL[0]] for path in previews]
        widest = max(strip.shape[1] for strip in strips)
        strips = [np.pad(s, ((0, 0), (0, widest - s.shape[1])), constant_values=BACKGROUND) for s in strips]
        save_png(Image.fromarray(np.concatenate(strips)), folder / "evolution.png")
        return
    chosen = np.unique(np.linspace(0, len(previews) - 1, FRAMES).round().astype(int))
    first, *rest = _of_one_size([_reduced(_opened(previews[number])) for number in chosen])
    times = [FRAME_MILLISECONDS] * len(rest) + [LAST_MILLISECONDS]
    with replacing(folder / "evolution.gif") as part:
        first.save(part, format="GIF", save_all=True, append_images=rest, duration=times, loop=0)


def _broken(note: str, width: int) -> list[str]:
    """Break a note into lines of the width of a cell; letters that Pillow's plain font lacks become question marks."""
    plain = note.replace("’", "'").replace("“", '"').replace("”", '"').encode("latin-1", "replace").decode("latin-1")
    return textwrap.wrap(plain, max(1, width // _LETTER_WIDTH))[:_NOTE_LINES]


def _kind_of(items: Shaped[np.ndarray, "n ..."], expected: Kind | None = None) -> Kind:
    """Tell the kind of items from their array. Raises `ValueError` for an unexpected one, or one without a picture."""
    array = f"an array of {items.dtype}{list(items.shape)}"
    found: Kind
    if items.ndim == 4 and items.dtype == np.uint8:
        found = "image"
    elif items.ndim in (2, 3) and np.issubdtype(items.dtype, np.floating):
        found = "vector" if items.ndim == 2 else "sequence"
    else:
        raise ValueError(
            f"{array} has no picture: draw images, uint8 (n, h, w, c), vectors, float (n, d), or sequences, "
            "float (n, t, f)"
        )
    if expected not in (None, found):
        raise ValueError(f"{array} does not hold items of kind {expected!r}")
    return found


def _grey(values: Float[np.ndarray, "*shape"], limits: Limits) -> UInt8[np.ndarray, "*shape"]:
    """Draw numbers as shades of grey, from black at the lower limit to white at the upper one."""
    if not np.isfinite(values).all():
        raise ValueError("a heat map of numbers that are not finite")
    low, high = limits
    shares = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.round(255 * np.clip(shares, 0, 1)).astype(np.uint8)


def _range(values: Float[np.ndarray, "*shape"]) -> Limits:
    return float(values.min()), float(values.max())


def _canvas(mode: str, width: int, height: int) -> Image.Image:
    return Image.new(mode, (width, height), (BACKGROUND,) * len(Image.new(mode, (1, 1)).getbands()))


def _enlarged(images: UInt8[np.ndarray, "n h w c"], down: int, across: int) -> UInt8[np.ndarray, "n H W c"]:
    return images.repeat(down, axis=1).repeat(across, axis=2)


def _fitted(images: UInt8[np.ndarray, "n h w c"], side: int, kind: Kind) -> UInt8[np.ndarray, "n H W c"]:
    """Enlarge images by a whole number to at most this side; rows of a heat map become at least `HEAT_CELL` high."""
    height, width = images.shape[1:3]
    scale = max(1, side // max(height, width))
    down = scale if kind == "image" else max(scale, min(HEAT_CELL[0], side // height))
    return _enlarged(images, down, scale)


def _centred(images: UInt8[np.ndarray, "n h w c"], height: int, channels: int) -> UInt8[np.ndarray, "n H w C"]:
    above, rest = divmod(height - images.shape[1], 2)
    padded = np.pad(images, ((0, 0), (above, above + rest), (0, 0), (0, 0)), constant_values=BACKGROUND)
    return padded if padded.shape[3] == channels else padded.repeat(channels, axis=3)


def _titled(picture: Image.Image, title: str) -> Image.Image:
    """Write a title over a picture, which is widened where the title needs it."""
    font = ImageFont.load_default(LABEL_HEIGHT)
    width = max(picture.width, math.ceil(font.getlength(title)) + LABEL_HEIGHT)
    whole = _canvas(picture.mode, width, picture.height + 2 * LABEL_HEIGHT)
    whole.paste(picture, ((width - picture.width) // 2, 2 * LABEL_HEIGHT))
    ImageDraw.Draw(whole).text((width / 2, LABEL_HEIGHT), title, fill="white", font=font, anchor="mm")
    return whole


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    whole = _canvas(pictures[0].mode, sum(picture.width for picture in pictures), pictures[0].height)
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole


def _of_one_size(frames: Sequence[Image.Image]) -> Sequence[Image.Image]:
    """Enlarge frames by whole numbers, and centre them on a canvas of the largest; frames of one size stay."""
    width, height = (max(frame.size[axis] for frame in frames) for axis in (0, 1))
    return [frame if frame.size == (width, height) else _centred_on(frame, width, height) for frame in frames]


def _centred_on(frame: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width // frame.width, height // frame.height)
    large = frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST)
    whole = _canvas(frame.mode, width, height)
    whole.paste(large, ((width - large.width) // 2, (height - large.height) // 2))
    return whole


def _reduced(picture: Image.Image) -> Image.Image:
    """Shrink a picture by a whole number until it is no larger than a frame."""
    return picture.reduce(-(-max(picture.size) // FRAME_SIDE))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture
