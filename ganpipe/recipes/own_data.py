"""Where a recipe may take its data from: what `--source` names is looked at before params.yaml is written."""

from __future__ import annotations

from pathlib import Path

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset
from ganpipe.data.catalogue.origins import Generated, UserFolder
from ganpipe.data.catalogue.sets import lookup
from ganpipe.errors import ConfigError
from ganpipe.words import address

OWN = "for pictures of your own there is folder-dcgan"


def needs_source(data: Data) -> bool:
    """Return whether the data set is the user's own and nothing says where it lies."""
    return data.source is None and _is_own(lookup(data.name))


def checked_source(source: str, data: Data, params: Path) -> str:
    """Return `source` as it is to stand in the file `params`: absolute, or relative to the folder of the params.

    Raises `ConfigError` where the data set `data.name` cannot come from there: nothing is there, an empty folder, a
    folder with none of its files, or a set that is computed.
    """
    dataset, where = lookup(data.name), f"--source {source}"
    if all(isinstance(file.origin, Generated) for file in dataset.files):
        raise ConfigError(f"{where}: data.name = {dataset.name!r} is computed, not read from anywhere; {OWN}")
    if "://" in source:
        if _is_own(dataset):
            raise ConfigError(f"{where}: data.name = {dataset.name!r} needs a folder or file on this machine")
        try:
            address(source)
        except ValueError as problem:
            raise ConfigError(f"{where} {problem}; give one, or a folder or file on this machine") from None
        return source
    path = _on_this_machine(source, where)
    if _is_own(dataset):
        _require_content(path, where)
    else:
        _require_published(path, dataset, where)
    return str(path if params.parent.resolve() == Path.cwd() else path.resolve())


def _is_own(dataset: Dataset) -> bool:
    return any(isinstance(file.origin, UserFolder) for file in dataset.files)


def _on_this_machine(source: str, where: str) -> Path:
    try:
        source.encode()
        path = Path(source).expanduser()
        if path.exists():
            return path
    except (UnicodeError, ValueError, RuntimeError):  # bytes that are no UTF-8 or zero, an unknown user
        pass
    raise ConfigError(f"{where}: there is no such folder or file")


def _require_content(path: Path, where: str) -> None:
    if path.is_dir() and all(entry.is_dir() and not entry.is_symlink() for entry in path.rglob("*")):
        raise ConfigError(f"{where}: there are no files in this folder, nor in its subfolders")


def _require_published(path: Path, dataset: Dataset, where: str) -> None:
    names = [file.name for file in dataset.files]
    if path.is_file() and (len(names) == 1 or path.name in names):
        return
    if not any((path / name).is_file() for name in names):
        raise ConfigError(f"{where}: holds none of the files of {dataset.name}: {', '.join(names)}; {OWN}")
