"""One tar file of the user's own folder: the same bytes for the same names and contents, wherever and whenever."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ganpipe.errors import ConfigError, DataError
from ganpipe.files import require_space
from ganpipe.progress import progress

_SHOWN = 5  # names of left-out entries on the line that reports them


def archive_folder(folder: Path, tar: Path) -> dict[str, str]:
    """Write all regular files under `folder` to `tar`, sorted by name; return the entries left out, with the reason.

    Links are left out, because their target may change or lie anywhere; so are hidden, special and unreadable entries.
    Of each file only its name and bytes are kept. Raises `ConfigError` where the folder holds no file and `DataError`
    where a file changes meanwhile.
    """
    left_out: dict[str, str] = {}
    names = sorted(_files(folder, "", left_out), key=os.fsencode)
    if not names:
        raise ConfigError(f"data.source = {str(folder)!r}: there are no files in this folder, nor in its subfolders")
    require_space(tar.parent, sum((folder / name).stat().st_size for name in names))
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out, progress("Gathering", len(names), "files") as bar:
        for name in names:
            _add(out, folder, name)
            bar.advance()
    _report(folder, left_out)
    return dict(sorted(left_out.items()))


def _files(folder: Path, prefix: str, left_out: dict[str, str]) -> Iterator[str]:
    """Yield the names of the regular files, relative to the uppermost folder; note the entries that are not taken."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if reason := _unfit(entry):
                left_out[_shown(name)] = reason
            elif entry.is_dir():
                yield from _files(Path(entry.path), f"{name}/", left_out)
            else:
                yield name


def _unfit(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink():
        return "a link"
    if entry.name.startswith("."):
        return "hidden"
    if not entry.is_dir() and not entry.is_file():
        return "not a file"
    return None if os.access(entry.path, os.R_OK | (os.X_OK if entry.is_dir() else 0)) else "not readable"


def _add(out: tarfile.TarFile, folder: Path, name: str) -> None:
    member = tarfile.TarInfo(name)  # its owner and time are zero
    try:
        with (folder / name).open("rb") as content:
            found = os.fstat(content.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError("is no longer a file")
            member.size = found.st_size
            out.addfile(member, content)
    except OSError as error:
        raise DataError(f"{folder / name}: cannot be gathered: {error.strerror or error}") from None


def _report(folder: Path, left_out: dict[str, str]) -> None:
    if left_out:
        shown = ", ".join(f"{name} ({reason})" for name, reason in sorted(left_out.items())[:_SHOWN])
        more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        print(f"{folder}: left out {shown}{more}", file=sys.stderr, flush=True)


def _shown(name: str) -> str:
    """Return a name that JSON and a terminal can carry: bytes that are no UTF-8 and line ends are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\n", "\\n")
