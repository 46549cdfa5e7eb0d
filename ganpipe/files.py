"""Writing files so that a file of the final name is always complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganpipe.errors import DataError

_SPARE = 1 << 26  # bytes to leave free on a disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the block a temporary path to write to; after the block, sync the file to disk and rename it to `path`.

    If the block raises, the temporary file is removed and `path` stays as it was. The temporary name is always the
    same, so that the next process overwrites the leftover of a killed one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        settle(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def settle(part: Path, path: Path) -> None:
    """Rename the complete file `part` to `path` in the same folder, safely even if the power fails right after."""
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def require_space(folder: Path, nbytes: int) -> None:
    """Raise `DataError` where the disk of an existing folder has no room for `nbytes` more."""
    free = shutil.disk_usage(folder).free
    if free < nbytes + _SPARE:
        raise DataError(
            f"{folder}: {readable_size(nbytes)} are to be written and only {readable_size(free)} are free on this disk"
        )


def readable_size(nbytes: int) -> str:
    """Return a number of bytes as people write it: `1.4 GB`, `27 kB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if nbytes >= unit:
            return f"{nbytes / unit:.{0 if nbytes >= 10 * unit else 1}f} {name}"
    return f"{nbytes} bytes"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the content of a file, in hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` atomically."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` atomically as `json_text`."""
    write_bytes(path, json_text(content).encode())


def json_text(content: Any) -> str:
    """Return `content` as JSON with sorted keys: the same content gives the same text. NaN and infinities raise."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
