"""Pictures in two folders, paired by name or not at all, and pairs that lie side by side in one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ganpipe.data.catalogue.dataset import Dataset, PairedFolders
from ganpipe.data.pack.items import TRAIN, Item, split_at
from ganpipe.data.pack.scan import ADVICE, Scan
from ganpipe.data.pack.split_folders import split_and_side_of, split_of
from ganpipe.errors import DataError

PAIR = "pair"
"""The pixel file of pictures that hold both fields of a pair."""

_TREES = "two folders, such as A and B, or trainA, trainB, testA and testB"


@dataclass(frozen=True)
class _Place:
    """The place of a picture, as its path says: which of the two folders, which split, and its name within both."""

    side: str
    split: str
    key: str


def side_by_side(found: Scan) -> Iterator[Item]:
    """Yield pictures that hold both fields of a pair, in the order of the archive."""
    for member in found.read():
        split = split_of(found.inside(member.name).split("/")[0]) if "/" in member.name else None
        yield Item(member.name, member.content, member.problem, split or TRAIN, field=PAIR)


def two_folders(found: Scan, dataset: Dataset, every: int | None = None) -> Iterator[Item]:
    """Yield the pictures of two folders as the fields a and b, in the order of the archive.

    Of pairs, a picture without a partner in the other folder has that as its problem. Where all are of the split train,
    of `every` so many pictures of the field a, by name, the last is for the test; None: none is. Raises `DataError`
    where there are not two folders.
    """
    paired = isinstance(dataset.layout, PairedFolders)
    places = {name: place for name in found.pictures if (place := _place(found.inside(name))) is not None}
    fields = _fields_of(places, dataset, found)
    if every is not None and all(place.split == TRAIN for place in places.values()):
        mine = sorted(name for name, place in places.items() if fields[place.side] == "a")
        places |= {name: replace(places[name], split=split_at(number, every)) for number, name in enumerate(mine)}
    partners = {(place.side, place.split, place.key) for place in places.values()}
    seen: set[_Place] = set()
    for member in found.read():
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


def _fields_of(places: dict[str, _Place], dataset: Dataset, found: Scan) -> dict[str, str]:
    """Return the field of each of the two folders, by alphabet; raise `DataError` where there are not two."""
    sides = sorted({place.side for place in places.values()}, key=str.lower)
    if len(sides) != 2 or len({"a", "b"}.intersection(sides)) == 1:
        where = ", ".join(sides) or "no folder"
        raise DataError(
            f"{found.path}: data.name = {dataset.name!r} needs {_TREES}, found pictures in {where}; {ADVICE}"
        )
    return dict(zip(sides, ("a", "b"), strict=True))


def _place(name: str) -> _Place | None:
    """Return the place of a picture; None where its path names no side, or leads out of the archive."""
    *folders, file = name.split("/")
    stem = file.rpartition(".")[0]
    if not folders or folders[0] == "" or ".." in folders:
        return None
    first, *rest = folders
    if named := split_and_side_of(first):
        return _Place(named[1], named[0], "/".join([*rest, _without_side(stem, named[1])]))
    split = split_of(first)
    if split is not None:
        if not rest:
            return None
        first, *rest = rest
    elif rest and (split := split_of(rest[0])) is not None:
        rest = rest[1:]
    side = first.lower() if first.lower() in ("a", "b") else first
    return _Place(side, split or TRAIN, "/".join([*rest, _without_side(stem, side) if side in ("a", "b") else stem]))


def _without_side(stem: str, side: str) -> str:
    """Return the name of a picture without a side at its end: 12_A and 12_B are a pair."""
    return stem[:-2] if stem.lower().endswith((f"_{side}", f"-{side}")) and len(stem) > 2 else stem
