"""Reads the members of zip and tar archives one after the other, without writing them to the disk.

A tar may be compressed by gzip, bzip2 or xz, which its first bytes say.

Only the content of regular files is used; names serve only to find classes, splits and rows. So a name that leads out
of the folder, a link or a device can do no harm. Such members are refused all the same, each with its reason, and so is
a second member of the same name. An archive that expands like a bomb is refused as a whole.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe.errors import DataError
from ganpipe.words import printable

MAX_MEMBERS = 100_000_000
MAX_MEMBER_BYTES = 256 << 20
MAX_EXPANSION = 100  # times the size of the archive, beyond FREE_BYTES
FREE_BYTES = 1 << 30
ADVICE = "run `dvc repro download`"

_COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
_ENCRYPTED = 1  # a flag of members of a zip
_LINK = "is a link"
_BROKEN = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Member:
    """A file of an archive: its content, or the reason why it is refused. The name of a folder ends with a slash."""

    name: str  # printable, see `words`
    content: bytes = b""
    problem: str | None = None


def members(
    path: Path, wanted: Callable[[str], bool], read: Callable[[Any], bytes] | None = None, advice: str = ADVICE
) -> Iterator[Member]:
    """Yield the files and folders of an archive whose name is `wanted`, in archive order.

    `read` returns as much of an opened file as is needed; None: all of it. Raises `DataError`, ending with `advice`,
    where the archive is missing, truncated, damaged, or expands to absurdly much.
    """
    try:
        guard = _Guard(path, advice)
        each = _zip_members if path.suffix == ".zip" or _begins(path, b"PK\3\4") else _tar_members
        yield from each(path, wanted, read or _everything, guard)
    except _BROKEN as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read as an archive: {reason}; {advice}") from None


def leads_out(name: str) -> bool:
    """Return whether a member's name leads out of the archive, so that its folder means nothing."""
    return name.startswith("/") or ".." in name.replace("\\", "/").split("/")


def _begins(path: Path, mark: bytes) -> bool:
    with path.open("rb") as opened:
        return opened.read(len(mark)) == mark


def _everything(opened: Any) -> bytes:
    return opened.read()


class _Guard:
    """Refuses members by name, kind and size, and the archive by their number and total size."""

    def __init__(self, path: Path, advice: str) -> None:
        self._path, self._advice = path, advice
        self._allowed = FREE_BYTES + MAX_EXPANSION * path.stat().st_size
        self._seen: set[str] = set()
        self._count = self._expanded = 0

    def problem(self, name: str, size: int, link: bool, special: bool) -> str | None:
        """Return the reason why a member is refused, or None."""
        repeated = name in self._seen
        self._seen.add(name)
        if link or special:
            return _LINK if link else "is no regular file"
        if leads_out(name):
            return "has a name that leads out of the archive"
        if repeated:
            return "has the name of an earlier member"
        if size > MAX_MEMBER_BYTES:
            return f"expands to {size} bytes, more than {MAX_MEMBER_BYTES}"
        return None

    def count(self, size: int) -> None:
        """Count a member of `size` expanded bytes. Raises `DataError` where there are too many members or bytes."""
        if size < 0:
            raise ValueError(f"a member of {size} bytes")
        self._count += 1
        self._expanded += size
        if self._count > MAX_MEMBERS:
            raise DataError(f"{self._path}: holds more than {MAX_MEMBERS} members; {self._advice}")
        if self._expanded > self._allowed:
            raise DataError(
                f"{self._path}: expands to more than {self._allowed} bytes, as only bombs do; {self._advice}"
            )


def _zip_members(
    path: Path, wanted: Callable[[str], bool], read: Callable[[Any], bytes], guard: _Guard
) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            guard.count(info.file_size)
            windows = info.create_system == 0  # whose older programs separate folders by backslashes
            name = printable(info.filename.replace("\\", "/") if windows else info.filename)
            if not wanted(name):
                continue
            if name.endswith("/"):
                yield Member(name)
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            problem = guard.problem(name, info.file_size, kind == stat.S_IFLNK, kind not in (0, stat.S_IFREG))
            yield Member(name, problem=problem) if problem else _unzipped(archive, info, name, read)


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, read: Callable[[Any], bytes]) -> Member:
    if info.flag_bits & _ENCRYPTED:
        return Member(name, problem="is encrypted")
    try:
        with archive.open(info) as opened:
            return Member(name, read(opened))
    except _BROKEN as error:
        return Member(name, problem=f"cannot be expanded: {' '.join(str(error).split()) or type(error).__name__}")


def _tar_members(
    path: Path, wanted: Callable[[str], bool], read: Callable[[Any], bytes], guard: _Guard
) -> Iterator[Member]:
    with path.open("rb") as raw:
        expand = _COMPRESSED.get(raw.read(2))
        raw.seek(0)
        stream = _Stream(expand(raw) if expand else raw)
        archive = tarfile.TarFile(fileobj=stream, mode="r", errors="surrogateescape")
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # or it would remember millions
            guard.count(info.size)
            name = printable(info.name.removeprefix("./")) + "/" * info.isdir()
            if not wanted(name):
                continue
            if info.isdir():
                yield Member(name)
                continue
            problem = guard.problem(name, info.size, info.issym() or info.islnk(), not info.isreg())
            yield Member(name, problem=problem) if problem else Member(name, _contents(archive, info, read))
        if stream.last.strip(b"\0") or len(stream.last) < tarfile.BLOCKSIZE:
            raise EOFError("it ends without its end mark, so it is truncated or damaged")
        while stream.read(tarfile.RECORDSIZE):  # to the checksum of the compression
            guard.count(tarfile.RECORDSIZE)


def _contents(archive: tarfile.TarFile, info: tarfile.TarInfo, read: Callable[[Any], bytes]) -> bytes:
    opened = archive.extractfile(info)
    assert opened is not None  # a regular file
    return read(opened)


class _Stream(io.RawIOBase):
    """A file that remembers the last block read, and refuses to read an absurd size that a header may ask for."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file, self.last = file, b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_MEMBER_BYTES:
            raise ValueError(f"a header of {size} bytes")
        self.last = self._file.read(size)
        return self.last

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(position, whence))

    def tell(self) -> int:
        return int(self._file.tell())
