"""The `download` stage: bring the raw files of a data set to one folder, verified, whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import zlib
from pathlib import Path
from typing import Any

from ganpipe.config import Data
from ganpipe.data.catalogue import lookup
from ganpipe.data.dataset import Content, Embedded, Generated, RawFile
from ganpipe.data.generated import generate
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import replacing, write_json
from ganpipe.paths import PARAMS, main_root
from ganpipe.progress import progress

SOURCE = "SOURCE.json"
"""Name of the file that says which set lies beside it and where it came from; packing copies it into the HDF5 file."""

_BLOCK = 1 << 20  # bytes
_HTML = (b"<!doctype html", b"<html")


def download(data: Data, into: Path) -> None:
    """Bring the raw files of `data.name` to the folder `into`, with `SOURCE.json` written last.

    Every file gets its final name only after its content was verified. `data.source`, a file or a folder that
    holds the files, replaces the published place. Raises `ConfigError` where the name or the source will not do,
    `DataError` where a file is not what the catalogue says.
    """
    dataset = lookup(data.name)
    files = {file.name: _bring(file, data.source, into / file.name) for file in dataset.files}
    write_json(into / SOURCE, {"name": dataset.name, "source": dataset.source, "files": files})


def _bring(file: RawFile, source: str | None, target: Path) -> dict[str, Any]:
    """Put one verified file under its final name; return what `SOURCE.json` says about it.

    That is only what the bytes are, not the way they came: the same bytes from elsewhere must not change any hash.
    """
    with replacing(target) as part:
        if source is None and isinstance(file.origin, Generated):
            found = target
            generate(file.origin, part)
        else:
            found = _embedded(file) if source is None else _local(file, source)
            _copy(found, part)
        problem = _problem(part, file)
        if problem:
            raise DataError(f"{found}: {problem}; {_advice(file, source)}")
        record = {"bytes": part.stat().st_size, "sha256": _sha256(part)}
    return record | ({"content_sha256": file.content.sha256} if file.content else {})


def _embedded(file: RawFile) -> Path:
    """Return where the file lies in its package, found without importing the package."""
    assert isinstance(file.origin, Embedded)
    package = file.origin.package
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        if Path(folder, file.origin.path).is_file():
            return Path(folder, file.origin.path)
    raise DataError(
        f"{file.name}: the Python package {package}, which carries it, is {'incomplete' if folders else 'missing'}; "
        f"install {package} again, or name a copy of {file.name} in data.source"
    )


def _local(file: RawFile, source: str) -> Path:
    """Return the file that `data.source` names; a relative path also counts from the main checkout."""
    here = f"{PARAMS}: data.source = {source!r}"
    if "://" in source:
        raise ConfigError(f"{here}: a URL is not supported; give a file, or a folder that holds {file.name}")
    path = Path(source).expanduser()
    path = path if path.exists() else main_root() / path
    path = path / file.name if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(f"{here}: there is no such file; give the path of {file.name} or of the folder that holds it")
    return path


def _copy(found: Path, part: Path) -> None:
    try:
        original = found.open("rb")
    except OSError as error:
        raise DataError(f"{found}: cannot be read: {error.strerror}") from None
    title = f"Copying {found.name}"
    with original, part.open("wb") as out, progress(title, found.stat().st_size, "bytes") as bar:
        while block := original.read(_BLOCK):
            out.write(block)
            bar.advance(len(block))


def _problem(path: Path, file: RawFile) -> str | None:
    """Return what is wrong with a file that should be `file`, or None."""
    if _sha256(path) == file.sha256:
        return None
    size = path.stat().st_size
    if size == 0:
        return "is empty"
    with path.open("rb") as opened:
        if opened.read(64).lstrip().lower().startswith(_HTML):
            return "is an HTML page, not data"
    if file.content is not None:
        return _content_problem(path, file.content)
    if size != file.size:
        return f"holds {size} bytes instead of {file.size}"
    return "has the right size, but its content was changed"


def _content_problem(path: Path, content: Content) -> str | None:
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
    """Return the size and the sha256 of what a file expands to, but stop after `at_most` bytes: it may be a bomb."""
    size, digest = 0, hashlib.sha256()
    while size < at_most and (block := opened.read(min(_BLOCK, at_most - size))):
        size += len(block)
        digest.update(block)
    return size, digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _advice(file: RawFile, source: str | None) -> str:
    if source is not None:
        return f"data.source should give {file.name} of {file.size} bytes with sha256 {file.sha256}"
    if isinstance(file.origin, Embedded):
        return f"install the Python package {file.origin.package} again, or name a copy of {file.name} in data.source"
    return "this NumPy computes other numbers than ganpipe was tested with; install the versions of requirements.lock"
