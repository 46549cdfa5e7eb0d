"""Compares a raw file with the published one by size, hash and expanded content."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from ganpipe.data.catalogue.dataset import Content, RawFile
from ganpipe.files import sha256_of

_BLOCK = 1 << 20  # bytes
_HTML = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Examined:
    """Size and hash of a file, and in which way it differs from the published one."""

    size: int  # bytes
    sha256: str
    difference: str | None  # from the published file, as the end of a sentence; None: it is that file
    data: bool = True  # False: the file is empty or a web page

    def problem(self, tolerant: bool) -> str | None:
        """Return why the file is refused, or None. `tolerant` accepts any file that is data, published or not."""
        return None if tolerant and self.data else self.difference


def examine(path: Path, file: RawFile) -> Examined:
    """Compare the file at `path` with what the catalogue says of `file`. A file without a known hash always agrees."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        html = is_html(opened.read(_BLOCK))
    sha256 = sha256_of(path)
    if sha256 == file.sha256:
        return Examined(size, sha256, None)
    if size == 0 or html:
        return Examined(size, sha256, "is an HTML page, not data" if html else "is empty", data=False)
    return Examined(size, sha256, None if file.sha256 is None else _difference(path, size, file))


def is_html(beginning: bytes) -> bool:
    """Return whether a file with these first bytes is a web page. No raw file is one."""
    return _HTML.match(beginning) is not None


def _difference(path: Path, size: int, file: RawFile) -> str | None:
    if file.content is not None:
        return _content_difference(path, file.content)
    if size != file.size:
        return f"holds {size} bytes instead of {file.size}"
    return "has the right size, but its content was changed"


def _content_difference(path: Path, content: Content) -> str | None:
    """Return what is wrong with a gzip file that should expand to `content`, or None."""
    try:
        with gzip.open(path) as expanded:
            size, digest = _measure(expanded, content.size + 1)
    except EOFError:
        return "is a truncated gzip file"
    except (gzip.BadGzipFile, zlib.error) as error:
        return f"is no sound gzip file ({error})"
    if size != content.size:
        return f"expands to {'more' if size > content.size else size} bytes instead of {content.size}"
    return None if digest == content.sha256 else "expands to the right size, but its content was changed"


def _measure(opened: gzip.GzipFile, at_most: int) -> tuple[int, str]:
    """Return the size and the sha256 of the expanded content. Stops after `at_most` bytes: the file may be a bomb."""
    size, digest = 0, hashlib.sha256()
    while size < at_most and (block := opened.read(min(_BLOCK, at_most - size))):
        size += len(block)
        digest.update(block)
    return size, digest.hexdigest()
