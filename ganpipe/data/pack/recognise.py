"""Which files are pictures: decided by their content, whatever their name says.

A picture is what the locked Pillow decodes to pixels by itself: `FORMATS`, and HEIC with the extra `heic`. Left out are
formats that start other programs or belong to one system (EPS, PostScript, WMF, EMF), that Pillow knows by name but
does not decode (BUFR, GRIB, HDF5, MPEG), that hold numbers without an agreed black and white (SPIDER), and that have no
mark at their beginning to tell them from text (IMT, IPTC). Pillow does not read SVG, PDF, JPEG XL and films.

Two formats have weak marks or none, so that any file may look like them. TGA is recognised by the signature at its end,
or by its suffix together with a header that makes sense; DIB, a BMP without its first bytes, by suffix and header.

A file that begins like a picture of a common format is one, even if the rest is damaged. So is a file whose suffix is
that of a picture: it was meant to be one, and is reported as a picture that cannot be used.
"""

from __future__ import annotations

import io
import warnings
from pathlib import PurePosixPath
from typing import Any

from PIL import Image

FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "PSD", "QOI", "ICO", "CUR", "ICNS"),
    *("DDS", "SGI", "SUN", "PCX", "DCX", "XBM", "XPM", "MSP", "FITS", "FLI", "FTEX", "BLP", "GBR", "IM", "PIXAR"),
    *("PCD", "XVTHUMB", "MCIDAS", "DIB", "TGA"),
)
"""The names by which Pillow knows the formats that are read, in the order in which they are tried."""

MISSING_HEIC = "is a HEIC picture, which needs `pip install 'ganpipe[heic]'`"
"""The problem of a HEIC picture where the extra is not installed."""

BEGINNING = 64
"""Bytes of a file that `begins_like_picture` and `begins_otherwise` look at."""

_NAMED = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm"),
    *(
        ".pgm",
        ".pbm",
        ".pnm",
        ".avif",
        ".avifs",
        ".jp2",
        ".j2k",
        ".jpf",
        ".jpx",
        ".j2c",
        ".tga",
        ".ico",
        ".icns",
        ".psd",
    ),
    *(".qoi", ".dds", ".pcx", ".heic", ".heif", ".hif"),
)
_BY_SUFFIX = {"TGA": (".tga", ".icb", ".vda", ".vst"), "DIB": (".dib", ".bmp")}
_TGA_END = b"TRUEVISION-XFILE.\0"
_MARKS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"8BPS\0\1"),
)
_OTHER_MARKS = (
    *(
        b"%PDF",
        b"PK\3\4",
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ",
        b"7z\xbc\xaf",
        b"Rar!",
        b"\x89HDF",
        b"ID3",
        b"OggS",
        b"fLaC",
    ),
    *(b"\x1aE\xdf\xa3", b"\x7fELF", b"SQLite format 3"),
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_AVIF_BRANDS = {b"avif", b"avis"}
_CONTAINER_BRANDS = {b"mif1", b"msf1"}  # of pictures whose other brands may come late
_KIND_LENGTH = 12  # characters of a suffix that is worth showing


def is_picture(name: str, content: bytes) -> bool:
    """Return whether a file is a picture, sound or damaged.

    Where `begins_like_picture` or `begins_otherwise` says so, the first `BEGINNING` bytes of the content are enough.
    """
    if begins_like_picture(content) or named_as_picture(name):
        return True
    return bool(content) and not begins_otherwise(content) and _opens(name, content)


def enough(opened: Any) -> bytes:
    """Read so much of an open file, or of a member of an archive, that `is_picture` can tell."""
    content = opened.read(BEGINNING)
    return content if begins_like_picture(content) or begins_otherwise(content) else content + opened.read()


def begins_like_picture(content: bytes) -> bool:
    """Return whether the first bytes are the mark of a common format, which no other file begins with."""
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return content.startswith(_MARKS) or webp or bool(_brands(content) & (_HEIC_BRANDS | _AVIF_BRANDS))


def begins_otherwise(content: bytes) -> bool:
    """Return whether the first bytes are the mark of films, sound, documents or archives, which may be large."""
    film = bool(_brands(content)) and not _brands(content) & (_HEIC_BRANDS | _AVIF_BRANDS | _CONTAINER_BRANDS)
    return content.startswith(_OTHER_MARKS) or (content[:4] == b"RIFF" and content[8:12] != b"WEBP") or film


def named_as_picture(name: str) -> bool:
    """Return whether the suffix is that of a picture in a format that is read."""
    return name.lower().endswith(_NAMED)


def kind_of(name: str) -> str:
    """Return by what a file that is no picture is counted: its suffix in lower case."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if 1 < len(suffix) <= _KIND_LENGTH and suffix.isprintable() else "without suffix"


def is_heic(content: bytes) -> bool:
    """Return whether a file is a HEIC picture, by its first bytes."""
    brands = _brands(content)
    return bool(brands & _HEIC_BRANDS) and not brands & _AVIF_BRANDS


def can_read_heic() -> bool:
    """Return whether the extra `heic` is installed, and let Pillow use it."""
    try:
        from pillow_heif import register_heif_opener  # optional, and of use for few
    except ImportError:
        return False
    register_heif_opener()
    return True


def opened(content: bytes) -> Image.Image:
    """Open an encoded picture; its pixels are not decoded yet. Raises what `PIL.Image.open` raises."""
    heic = is_heic(content) and can_read_heic()
    return Image.open(io.BytesIO(content), formats=("HEIF",) if heic else FORMATS)


def is_raw(image: Image.Image) -> bool:
    """Return whether an opened picture is the small preview in a camera's raw file (DNG, NEF, CR2, ARW, ...).

    Such files are TIFFs whose first page says that it is a reduced version of another (NewSubfileType 1), or that name
    the version of DNG.
    """
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    return tags is not None and (bool(int(tags.get(254, 0)) & 1) or 50706 in tags)


def _brands(content: bytes) -> set[bytes]:
    """Return the brands of a file of the family of MP4, which HEIC and AVIF belong to."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(content[:4], "big"), BEGINNING)
    return {content[8:12], *(content[at : at + 4] for at in range(16, end, 4))}


def _opens(name: str, content: bytes) -> bool:
    """Return whether Pillow takes the header for that of a picture, which is worth believing for this name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd headers
            found = Image.open(io.BytesIO(content), formats=FORMATS).format or ""
    except Exception:  # readers of formats fed with other bytes raise anything
        return False
    signed = found == "TGA" and content.endswith(_TGA_END)
    return signed or found not in _BY_SUFFIX or name.lower().endswith(_BY_SUFFIX[found])
