"""Photographs cut into tiles, and pictures of a style cut into overlapping squares of the same size, without pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ganpipe.config import Data
from ganpipe.data.catalogue.dataset import Dataset, StyleFolders, StyleTiles
from ganpipe.data.pack.items import TRAIN, Item
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.pack.pairs import two_folders
from ganpipe.data.pack.scan import scan
from ganpipe.data.pack.tiles import EVERY, Cutter, content_of, require_no_crop

_STEPS = 8  # squares of a style overlap: from one to the next it is this part of their side
_SIDES = 2  # pictures of a style are first reduced to so many squares along their shorter side


def style_cutters(dataset: Dataset, data: Data) -> dict[str, Cutter]:
    """Return how the photographs `a` and the pictures `b` of a style are cut. Raises `ConfigError` for a crop."""
    assert dataset.size is not None
    require_no_crop(dataset, data)
    tiles = Cutter(data.size or dataset.size, data.channels or 3, data.max_pixels)
    return {"a": tiles, "b": replace(tiles, step=max(1, tiles.size // _STEPS), shorter=_SIDES * tiles.size)}


def style_pictures(dataset: Dataset, raw: Path, fields: Mapping[str, Cutter], bad: Quarantine) -> Iterator[Item]:
    """Yield the photographs and the pictures of a style, each with its number of squares.

    In the user's own two folders, every eighth photograph by name is of the split test where no folder is such a split.
    Of the squares of each picture of a style to learn from every eighth is for the test, so that scores compare with
    all parts of it; they overlap with the others.
    """
    for item in _pictures(dataset, raw, bad):
        rows = 1 if item.problem else len(fields[item.field].places(item.content))
        spread = item.field == "b" and item.split == TRAIN
        yield replace(item, rows=rows, every=EVERY if spread else None)


def _pictures(dataset: Dataset, raw: Path, bad: Quarantine) -> Iterator[Item]:
    layout = dataset.layout
    if isinstance(layout, StyleFolders):
        yield from two_folders(scan(raw, layout.archive, bad), dataset, EVERY)
        return
    assert isinstance(layout, StyleTiles)
    for field, split, name in layout.pictures:
        yield Item(name, content_of(raw / name), None, split, field=field)
