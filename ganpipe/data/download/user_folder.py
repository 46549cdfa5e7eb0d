"""One tar file of the user's own folder: the same bytes for the same names and contents, wherever and whenever.

The rule about links, `data.follow_links`: true, and a link to a file or folder stands for what it leads to, wherever
that lies; false, and links are left out. A link to a folder that the link itself lies in would never end, and is left
out; so is one that leads nowhere.
"""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganpipe.errors import ConfigError, DataError
from ganpipe.files import require_space
from ganpipe.progress import progress
from ganpipe.words import printable

HIDDEN = "hidden"
"""The reason why entries whose name begins with a dot are left out."""

_Around = tuple[tuple[int, int], ...]  # device and inode of a folder and of those that it lies in
_LINK = "a link, and data.follow_links is false"
_SHOWN = 5  # names of left-out entries on the line that reports them


@dataclass(frozen=True)
class Entry:
    """A file or an empty folder to be gathered. The name is relative to the uppermost folder."""

    name: str
    size: int  # bytes
    mtime_ns: int
    is_folder: bool = False


@dataclass
class Walk:
    """Goes through a folder and its subfolders; notes in `left_out` what is not taken, with the reason."""

    root: Path
    follow_links: bool
    left_out: dict[str, str] = field(default_factory=dict)

    def entries(self) -> list[Entry]:
        """Return all regular files and all folders without any, sorted by name."""
        found: list[Entry] = []
        folders: list[tuple[str, _Around]] = [("", (_identity(self.root.stat()),))]
        while folders:
            prefix, around = folders.pop()
            files, inside = self._in(prefix, around)
            found += files
            folders += inside
            if prefix and not files and not inside:  # perhaps a class, which must not vanish
                found.append(Entry(prefix.rstrip("/"), 0, 0, is_folder=True))
        return sorted(found, key=lambda entry: os.fsencode(entry.name))

    def _in(self, prefix: str, around: _Around) -> tuple[list[Entry], list[tuple[str, _Around]]]:
        """Return the files of one folder, and its subfolders with the identities of all that they lie in."""
        files, inside = [], []
        with os.scandir(self.root / prefix) as entries:
            for entry in entries:
                name = prefix + entry.name
                if reason := self._unfit(entry, around):
                    self.left_out[printable(name)] = reason
                    continue
                found = entry.stat()
                if entry.is_dir():
                    inside.append((f"{name}/", (*around, _identity(found))))
                else:
                    files.append(Entry(name, found.st_size, found.st_mtime_ns))
        return files, inside

    def _unfit(self, entry: os.DirEntry[str], around: _Around) -> str | None:
        """Return the reason why an entry is left out, or None."""
        if entry.name.startswith("."):
            return HIDDEN
        if entry.is_symlink() and (reason := self._unfit_link(entry, around)):
            return reason
        if not entry.is_dir() and not entry.is_file():
            return "not a file"
        return None if os.access(entry.path, os.R_OK | (os.X_OK if entry.is_dir() else 0)) else "not readable"

    def _unfit_link(self, entry: os.DirEntry[str], around: _Around) -> str | None:
        if not self.follow_links:
            return _LINK
        try:
            target = entry.stat()
        except OSError:
            return "a link that leads nowhere"
        return "a link to a folder that it lies in" if _identity(target) in around else None


def archive_folder(folder: Path, tar: Path, follow_links: bool) -> dict[str, str]:
    """Write all regular files under `folder` to `tar`, sorted by name; return the entries left out, with the reason.

    Left out are hidden, special and unreadable entries, and links as the rule of this module says. Of each file only
    its name and bytes are kept, of a folder without files its name. Raises `ConfigError` where the folder holds no file
    and `DataError` where a file changes meanwhile.
    """
    walk = Walk(folder, follow_links)
    entries = walk.entries()
    if all(entry.is_folder for entry in entries):
        what = "there are no files in this folder, nor in its subfolders"
        what = f"there is nothing to take in this folder; left out {_some(walk.left_out)}" if walk.left_out else what
        raise ConfigError(f"data.source = {str(folder)!r}: {what}")
    require_space(tar.parent, sum(entry.size for entry in entries))
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out, progress("Gathering", len(entries), "files") as bar:
        for entry in entries:
            _add(out, folder, entry)
            bar.advance()
    if walk.left_out:
        print(f"{printable(str(folder))}: left out {_some(walk.left_out)}", file=sys.stderr, flush=True)
    return dict(sorted(walk.left_out.items()))


def _add(out: tarfile.TarFile, folder: Path, entry: Entry) -> None:
    member = tarfile.TarInfo(entry.name)  # its owner and time are zero
    if entry.is_folder:
        member.type = tarfile.DIRTYPE
        out.addfile(member)
        return
    path = folder / entry.name
    try:
        with path.open("rb") as content:
            found = os.fstat(content.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError("is no longer a file")
            member.size = found.st_size
            out.addfile(member, content)
    except OSError as error:
        raise DataError(f"{path}: cannot be gathered: {error.strerror or error}") from None


def _some(left_out: dict[str, str]) -> str:
    shown = ", ".join(f"{name} ({reason})" for name, reason in sorted(left_out.items())[:_SHOWN])
    return shown + (f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else "")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def archive_files(folder: Path, names: Sequence[str], tar: Path) -> None:
    """Write files of a folder to `tar`, in this order; of each only its name and bytes are kept.

    Raises `DataError` where one cannot be read.
    """
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
        for name in names:
            _add(out, folder, Entry(name, size=0, mtime_ns=0))
