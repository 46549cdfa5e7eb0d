"""The user's own pictures in folders that are splits, classes, or both."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ganpipe.data.pack.archives import leads_out
from ganpipe.data.pack.items import TRAIN, Item
from ganpipe.data.pack.scan import ADVICE, Scan
from ganpipe.data.pack.split_folders import split_of
from ganpipe.errors import DataError


def class_folders(found: Scan) -> Iterator[Item]:
    """Yield pictures with their split and class, in the order of the archive.

    The rule. Folders at the top are splits where all that give pictures are called like splits (train, training, val,
    valid, validation, dev, test, testing, with or without `set`, in any case) and either there are pictures of two
    splits or no other folder stands beside. Then the folders in them are the classes. Otherwise the folders at the top
    are the classes: so `train` beside `plane` and `car` is a class. Two splits beside a folder of pictures that is none
    are refused: test pictures must not be learnt from by a guess.

    Without class folders, pictures have no class. A picture beside folders of classes or splits is left out by packing.
    Raises `DataError` naming a folder of a class or split that gives no picture.
    """
    splits = _has_splits(found)
    _require_pictures(found, splits)
    for member in found.read():
        split, problem = TRAIN, member.problem
        folders = [] if leads_out(member.name) else found.inside(member.name).split("/")[:-1]
        if splits and folders:
            split = split_of(folders.pop(0)) or TRAIN
        elif splits:
            problem = problem or "lies in no folder of a split"
        yield Item(member.name, member.content, problem, split, folders[0] if folders else None)


def _has_splits(found: Scan) -> bool:
    """Return whether the folders at the top are splits; raise `DataError` where some are and some are not."""
    giving = _first(found, found.pictures, 0)
    named = {folder: split for folder in giving if (split := split_of(folder))}
    others, kinds = giving - named.keys(), set(named.values())
    if others and TRAIN in kinds and len(kinds) > 1:
        both = ", ".join(sorted(named))
        raise DataError(
            f"{found.path}: {both} are folders of splits, but {min(others)!r} with pictures of its own lies beside "
            "them; move its pictures into the splits, or rename the folders where all of them are classes"
        )
    return bool(named) and not others and (len(kinds) > 1 or _first(found, found.folders, 0) <= giving)


def _require_pictures(found: Scan, splits: bool) -> None:
    """Raise `DataError` where a folder of a split or class gives no picture, if such folders count here."""
    tops, giving = _first(found, found.folders, 0), _first(found, found.pictures, 0)
    due = {folder for folder in tops if split_of(folder)} if splits else tops if giving else set()
    given = set(giving)
    classes = _first(found, found.pictures, 1)
    if splits and classes:
        due |= {folder for folder in _first(found, found.folders, 1) if split_of(folder.split("/")[0])}
        given |= classes
    if empty := sorted(due - given):
        what = f"{found.contents(empty[0])}" + (f"; so do {', '.join(empty[1:4])}" if empty[1:] else "")
        raise DataError(
            f"{found.path}: the folder {empty[0]!r} gives no picture: {what}; fill or remove it, and {ADVICE}"
        )


def _first(found: Scan, names: Collection[str], depth: int) -> set[str]:
    """Return the folders of this depth, counted from the top, that hold files or folders of these names."""
    last = depth + (names is not found.folders)  # the last part of the name of a picture is no folder
    parts = [found.inside(name).split("/") for name in names if not leads_out(name)]
    return {"/".join(one[: depth + 1]) for one in parts if len(one) > last}
