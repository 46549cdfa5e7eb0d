"""A recipe on data of the user's own: where it lies, and how large its pictures are packed."""

from __future__ import annotations

from pathlib import Path

from ganpipe.config import Data, Params
from ganpipe.core.spec import VALUES, DataSpec, Field
from ganpipe.data.catalogue.dataset import Dataset, Generated, UserFolder
from ganpipe.data.catalogue.sets import lookup
from ganpipe.errors import ConfigError
from ganpipe.systems import build

OWN = "for pictures of your own there is folder-dcgan"
_SOME_NAMES = ("a", "b")  # of classes that only the raw files know; how many there are decides nothing about a size


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
        return source
    path = _on_this_machine(source, where)
    if _is_own(dataset):
        _require_content(path, where)
    else:
        _require_published(path, dataset, where)
    return str(path if params.parent.resolve() == Path.cwd() else path.resolve())


def require_size(size: int, recipe: Params, where: str) -> None:
    """Raise `ConfigError` where the system of a recipe cannot learn pictures of `size` x `size` pixels.

    The system is built for them without memory for its weights: a size that no machine can train is no danger here.
    """
    import torch

    dataset = lookup(recipe.data.name)
    if not dataset.images:
        held = ", ".join(VALUES[field.kind] for field in dataset.fields.values())
        raise ConfigError(f"{where}: --size is for pictures, and data.name = {dataset.name!r} holds {held}")
    if recipe.data.crop == "whole":
        raise ConfigError(f"{where}: --size makes squares, and this recipe keeps whole pictures (data.crop: whole)")
    channels = recipe.data.channels or (dataset.image_shape[0] if dataset.image_shape else 3)
    fields = {
        name: Field(
            kind=raw.kind,
            shape=(channels, size, size) if raw.kind == "image" else raw.shape or (),
            names=raw.names or (_SOME_NAMES if raw.kind == "label" else ()),
            space=raw.space,
        )
        for name, raw in dataset.fields.items()
    }
    with torch.device("meta"):
        try:
            build(recipe.system, DataSpec(name=dataset.name, fields=fields), seed=0, where=where)
        except ConfigError as error:
            raise ConfigError(f"{where}: --size {size}: {error}") from None


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
