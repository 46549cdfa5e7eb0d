"""Pictures in two folders, paired by name or not at all, and pairs that lie side by side in one picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ganpipe.data.catalogue.dataset import Dataset, PairedFolders, SideBySide, UnpairedFolders
from ganpipe.data.pack.archives import members
from ganpipe.data.pack.items import TEST, TRAIN, VALID, Item, is_image
from ganpipe.errors import DataError

PAIR = "pair"
"""The pixel file of pictures that hold both fields of a pair."""

_SPLIT_FOLDERS = {"train": TRAIN, "val": VALID, "valid": VALID, "validation": VALID, "test": TEST}
_SPLIT_AND_SIDE = re.compile(f"({'|'.join(_SPLIT_FOLDERS)})[_-]?([ab])", re.IGNORECASE)
_TREES = "two folders, such as A and B, or trainA, trainB, testA and testB"


@dataclass(frozen=True)
class _Place:
    """The place of a picture, as its path says: which of the two folders, which split, and its name within both."""

    side: str
    split: str
    key: str


def side_by_side(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield pictures that hold both fields of a pair, in the order of the archive."""
    layout = dataset.layout
    assert isinstance(layout, SideBySide)
    for member in members(raw / layout.archive, is_image):
        folder = member.name.split("/")[0].lower() if "/" in member.name else ""
        split = _SPLIT_FOLDERS.get(folder, TRAIN)
        yield Item(member.name, member.content, member.problem, split, field=PAIR)


def two_folders(dataset: Dataset, raw: Path) -> Iterator[Item]:
    """Yield the pictures of two folders as the fields a and b, in the order of the archive.

    Of pairs, a picture without a partner in the other folder has that as its problem. Raises `DataError` where there
    are not two folders.
    """
    layout = dataset.layout
    assert isinstance(layout, PairedFolders | UnpairedFolders)
    path, paired = raw / layout.archive, isinstance(layout, PairedFolders)
    places = {name: place for name in _image_names(path) if (place := _place(name)) is not None}
    fields = _fields_of(places, dataset, path)
    partners = {(place.side, place.split, place.key) for place in places.values()}
    seen: set[_Place] = set()
    for member in members(path, is_image):
        place, problem = places.get(member.name), member.problem
        if place is None:
            problem = problem or f"lies in neither of the folders {', '.join(fields)}"
            yield Item(member.name, b"", problem, field="a")
            continue
        key = ""
        if paired:
            key, problem = place.key, problem or _pair_problem(place, fields, partners, seen)
            seen.add(place)
        yield Item(member.name, member.content, problem, place.split, field=fields[place.side], key=key)


def _pair_problem(
    place: _Place, fields: dict[str, str], partners: set[tuple[str, str, str]], seen: set[_Place]
) -> str | None:
    """Return the reason why a picture is no part of a pair, or None."""
    if place in seen:
        return "has the name of another picture of its folder, but for the suffix"
    other = next(side for side in fields if side != place.side)
    if (other, place.split, place.key) not in partners:
        return f"has no partner of the same name in {other} ({place.split})"
    return None


def _image_names(path: Path) -> list[str]:
    """Return the names of all pictures of an archive, without reading the pictures."""
    names: list[str] = []

    def skip(name: str) -> bool:
        if is_image(name):
            names.append(name)
        return False

    list(members(path, skip))  # runs through the archive and yields no member
    return names


def _fields_of(places: dict[str, _Place], dataset: Dataset, path: Path) -> dict[str, str]:
    """Return the field of each of the two folders, by alphabet; raise `DataError` where there are not two."""
    sides = sorted({place.side for place in places.values()}, key=str.lower)
    if len(sides) != 2 or len({"a", "b"}.intersection(sides)) == 1:
        found = ", ".join(sides) or "no folder"
        raise DataError(
            f"{path}: data.name = {dataset.name!r} needs {_TREES}, found pictures in {found}; "
            "give data.source such a folder and run `dvc repro --single-item --force download`"
        )
    return dict(zip(sides, ("a", "b"), strict=True))


def _place(name: str) -> _Place | None:
    """Return the place of a picture; None where its path names no side, or leads out of the archive."""
    *folders, file = name.split("/")
    stem = file.rpartition(".")[0]
    if not folders or folders[0] == "" or ".." in folders:
        return None
    first, *rest = folders
    if named := _SPLIT_AND_SIDE.fullmatch(first):
        return _Place(named[2].lower(), _SPLIT_FOLDERS[named[1].lower()], "/".join([*rest, stem]))
    split = _SPLIT_FOLDERS.get(first.lower())
    if split is not None:
        if not rest:
            return None
        first, *rest = rest
    elif rest and rest[0].lower() in _SPLIT_FOLDERS:
        split, rest = _SPLIT_FOLDERS[rest[0].lower()], rest[1:]
    side = first.lower() if first.lower() in ("a", "b") else first
    return _Place(side, split or TRAIN, "/".join([*rest, stem]))
