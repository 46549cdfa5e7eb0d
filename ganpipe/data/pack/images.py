"""Turns one encoded image into one array of pixels, by rules that do not depend on the machine.

First frame of an animation or of several pages. Turned upright as its EXIF orientation says; EXIF that cannot be read
is ignored, as are colour profiles. Transparent parts lie over white. Palettes are looked up; CMYK becomes RGB by the
plain formula of Pillow; of 16 bits the upper 8 are kept; grey becomes colour by repetition, colour becomes grey by
ITU-R 601 luma. 32-bit integers beyond 16 bits and floating-point pixels have no agreed black and white: refused.

JPEGs are decoded whole. Decoding at 1/2 or 1/4 of the size (Pillow's `draft`) before the resize gives other pixels: of
three photographs (640 x 427, 640 x 427, 512 x 600) packed at 64 pixels, 27 to 54 % of the values differ at 1/2, by up
to 29 grey levels (0.3 to 1.2 in the mean), and 49 to 61 % at 1/4, by up to 39 (0.9 to 1.6 in the mean).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.recognise import MISSING_HEIC, is_heic, is_raw, opened

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
"""Names that are taken for images in published archives, in lower case."""

MAX_PIXELS = 89_478_485
"""The default of `data.max_pixels`, which refuses larger images before they are decoded: a quarter of a GiB as RGB,
Pillow's own limit."""


class UnreadableError(Exception):
    """An image cannot be packed. The message completes the sentence "<name> ..."."""


class TooLargeError(UnreadableError):
    """An image has more pixels than `Transform.max_pixels`."""

    def __init__(self, verb: str, width: int, height: int, limit: int) -> None:
        super().__init__(f"{verb} {width} x {height} = {width * height} pixels, more than data.max_pixels = {limit}")


@dataclass(frozen=True)
class Transform:
    """The steps for every image: CenterCrop(crop), Resize(size), CenterCrop(size) of torchvision, bit for bit.

    None leaves a step out; `crop="whole"` leaves both crops out, so that the picture keeps its shape and Resize makes
    its shorter side `size`. Unlike torchvision's, a crop never pads: an image smaller than `crop` is refused.
    """

    crop: int | Literal["whole"] | None
    size: int | None
    channels: int  # 1 or 3
    halves: bool = False  # transform the left and the right half apart, and lay them side by side again
    max_pixels: int = MAX_PIXELS  # larger images are refused, before and after the transform

    def __str__(self) -> str:
        whole = self.crop == "whole"
        steps = [] if self.crop is None else ["whole picture" if whole else f"centre square of {self.crop} pixels"]
        if self.size:
            steps.append(f"shorter side resized to {self.size} (bilinear, antialiased)")
            steps += [] if whole else ["centre square"]
        steps = ["left and right half apart", *steps] if self.halves else steps
        return ", ".join([*steps, "grey" if self.channels == 1 else "RGB"])

    def of_bytes(self, content: bytes, seen: Seen | None = None) -> UInt8[np.ndarray, "h w c"]:
        """Decode and transform an encoded image; note in `seen` what is odd about it.

        Raises `UnreadableError` for all other bytes, and no other error.
        """
        if not content:
            raise UnreadableError("is empty")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
                with _pillow_allows(None):  # it looks at the size after `open` has read it, as `_decoded` does
                    image = _opened(content, self.max_pixels)
                with _pillow_allows(self.max_pixels):
                    return self.of_image(_decoded(image, seen), seen)
        except UnreadableError:
            raise
        except UnidentifiedImageError:
            raise UnreadableError(MISSING_HEIC if is_heic(content) else "is no image in a known format") from None
        except Image.DecompressionBombError:
            raise UnreadableError(f"holds a picture of more than data.max_pixels = {self.max_pixels}") from None
        except Exception as error:  # decoders fed with hostile bytes raise anything, from OSError to IndexError
            raise UnreadableError(f"cannot be decoded: {_first_line(error)}") from None

    def of_image(self, image: Image.Image, seen: Seen | None = None) -> UInt8[np.ndarray, "h w c"]:
        """Transform a decoded image; note in `seen` what is odd about it. Raises `UnreadableError`."""
        seen = Seen() if seen is None else seen
        seen.pictures += 1
        image = _with_channels(image, self.channels, seen)
        if not self.halves:
            return self._pixels(image, seen)
        if image.width % 2:
            raise UnreadableError(f"is {image.width} pixels wide, an odd number: it has no two halves")
        middle = image.width // 2
        left, right = (image.crop((at, 0, at + middle, image.height)) for at in (0, middle))
        return np.concatenate([self._pixels(left, seen), self._pixels(right, Seen())], axis=1)

    def _pixels(self, image: Image.Image, seen: Seen) -> UInt8[np.ndarray, "h w c"]:
        if isinstance(self.crop, int):
            if min(image.size) < self.crop:
                raise UnreadableError(f"is {image.width} x {image.height} pixels, smaller than data.crop = {self.crop}")
            image = _centre(image, self.crop)
        if self.size is not None:
            seen.note_resize(image.width, image.height, self.size)
            image = self._resized(image, self.size)
            image = image if self.crop == "whole" else _centre(image, self.size)
        pixels = np.asarray(image)
        return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]

    def _resized(self, image: Image.Image, size: int) -> Image.Image:
        """Make the shorter side `size`, as torchvision's Resize does."""
        short, long = sorted(image.size)
        longer = int(size * long / short)
        width, height = (size, longer) if image.width <= image.height else (longer, size)
        if width * height > self.max_pixels:
            raise TooLargeError("would become", width, height, self.max_pixels)
        return image if (width, height) == image.size else image.resize((width, height), Image.Resampling.BILINEAR)


@contextmanager
def _pillow_allows(pixels: int | None) -> Iterator[None]:
    """Set the size from which Pillow refuses pictures (twice this number) for the time of the block; None: no size."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _opened(content: bytes, max_pixels: int) -> Image.Image:
    image = opened(content)
    if is_raw(image):
        raise UnreadableError("is a camera's raw file; develop it to JPEG, PNG or TIFF first")
    if image.width * image.height > max_pixels:
        raise TooLargeError("is", image.width, image.height, max_pixels)
    return image


def _decoded(image: Image.Image, seen: Seen | None) -> Image.Image:
    cut = _loses_bits(image)
    image.load()
    if cut and seen is not None:
        highest = np.asarray(image.getextrema()).reshape(-1, 2)[:, 1].tolist()
        upper = max(high for band, high in zip(image.getbands(), highest, strict=True) if band != "A")
        seen.note_deep(upper << 8 | 0xFF)
    return _upright(image)


def _loses_bits(image: Image.Image) -> bool:
    """Return whether Pillow reads 16 bits a channel and keeps the upper 8, as it does for colour."""
    stored = [str(tile[3]) for tile in getattr(image, "tile", ())]  # how the pixels lie in the file: "RGB;16B"
    return not image.mode.startswith("I") and any(";16" in one for one in stored)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
        return ImageOps.exif_transpose(image) if turned else image  # it would copy the others
    except Exception:  # broken EXIF is common, and no reason to lose a good picture
        return image


def _with_channels(image: Image.Image, channels: int, seen: Seen) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image, seen)
    elif image.has_transparency_data:
        over = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(over, image.convert("RGBA")).convert("RGB")
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image, seen: Seen) -> Image.Image:
    if image.mode == "F":
        raise UnreadableError("has floating-point pixels, for which no black and white are agreed")
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise UnreadableError("has 32-bit pixels, for which no black and white are agreed")
    seen.note_deep(int(pixels.max()))
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _centre(image: Image.Image, side: int) -> Image.Image:
    """Cut out the centre, at torchvision's offsets: halves are rounded to even."""
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, top, left + side, top + side))


def _first_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
