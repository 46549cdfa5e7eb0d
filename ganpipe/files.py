"""Writing files so that a file of the final name is always complete."""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import os
import platform
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganpipe.errors import DataError

_SPARE = 1 << 26  # bytes to leave free on a disk
_SHOWN_OF_A_NAME = 100  # characters of a name in that of its temporary file
_SEAL = "seal"  # the key of a JSON object under which its own SHA-256 stands
_numbers = itertools.count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the block a temporary path to write to; after the block, sync the file to disk and rename it to `path`.

    If the block raises, the temporary file is removed and `path` stays as it was. The file is made new and empty under
    a name that no other process has and that is no link.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = temporary(path)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield part
        settle(part, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:  # as of every write
            error.filename = str(path)
        part.unlink(missing_ok=True)
        raise


def temporary(path: Path) -> Path:
    """Return a name beside `path` that is this call's alone, and delete what killed processes left under such names.

    Only those of this machine: on a shared disk nobody knows who lives on another one.
    """
    stem, machine = f".{path.name[:_SHOWN_OF_A_NAME]}", f"{zlib.crc32(platform.node().encode()):08x}"
    for left in path.parent.glob(f"{glob.escape(stem)}.{machine}-*-*.part"):
        process = left.name.split("-")[-2]
        if process.isdecimal() and not _lives(int(process)):
            remove(left)
    return path.with_name(f"{stem}.{machine}-{os.getpid()}-{next(_numbers)}.part")


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object atomically, with the SHA-256 of itself: a flipped bit in it does not go unnoticed."""
    write_json(path, content | {_SEAL: _seal_of(content)})


def read_sealed(path: Path, unsealed: str | None = None) -> dict[str, Any]:
    """Return what `write_sealed` wrote. An object whose `format` is `unsealed` needs no SHA-256 of itself.

    Raises `OSError` where it cannot be read, `ValueError` where it is no JSON object or not what was written.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    if unsealed is not None and _SEAL not in content and content.get("format") == unsealed:
        return content
    if content.pop(_SEAL, None) != _seal_of(content):
        raise ValueError("its content is not that of its own SHA-256")
    return content


def _seal_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json_text(content).encode("utf-8", "surrogatepass")).hexdigest()


def json_text(content: Any) -> str:
    """Return `content` as JSON with sorted keys: the same content gives the same text. NaN and infinities raise."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        pass
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
