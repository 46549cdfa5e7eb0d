"""Photographs put together from their tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from data.test_tiles import packed, pixels, png
from metrics.sets import column, write_set
from PIL import Image

from ganpipe.data.packed.mosaics import mosaics


def test_a_photograph_comes_back_from_its_tiles(tmp_path: Path) -> None:
    members = {"train/wide.png": png(53, 37), "train/high.png": png(20, 50), "test/a/one.png": png(40, 32)}
    members["test/b/one.png"] = png(33, 49)
    found = packed(members, tmp_path)
    splits = found.splits("items")
    shown = {mosaic.name: mosaic for mosaic in mosaics(found, splits["train"])}
    assert list(shown) == ["high", "wide"] and shown["wide"].rows.shape == (2, 3)
    np.testing.assert_array_equal(shown["wide"].pixels(found, "image"), pixels(members["train/wide.png"])[:32, :48])
    np.testing.assert_array_equal(shown["high"].pixels(found, "image"), pixels(members["train/high.png"])[:48, :16])
    small = Image.fromarray(pixels(members["train/wide.png"])[:36, :52]).resize((13, 9), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(shown["wide"].pixels(found, "low"), np.asarray(small)[:8, :12])
    held_out = list(mosaics(found, splits["test"]))
    assert [mosaic.name for mosaic in held_out] == ["one", "one_1"], "two folders hold photographs of one name"
    assert [mosaic.rows.shape for mosaic in held_out] == [(2, 2), (3, 2)]


def test_a_set_without_tiles_has_no_photographs(tmp_path: Path) -> None:
    plain = write_set(tmp_path / "data.h5", {"image": column(np.zeros((2, 4, 4, 1), np.uint8))})
    assert not list(mosaics(plain, range(2)))
