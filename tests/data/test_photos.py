"""The set `photos`: squares of two photographs, at known places, packed as they are or smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganpipe.config import Data
from ganpipe.data.catalogue.sets import PHOTOS
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.pack.tiles import cut_squares
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "photos"
    download(Data(name="photos"), folder)
    return folder


def test_a_grid_worked_by_hand() -> None:
    photograph = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7, 1).repeat(3, axis=2)
    squares = cut_squares(photograph, side=2, step=3)
    assert squares.shape == (4, 2, 2, 3)
    assert squares[..., 0].tolist() == [
        [[0, 1], [7, 8]], [[3, 4], [10, 11]], [[21, 22], [28, 29]], [[24, 25], [31, 32]],
    ]  # fmt: skip


def test_the_packed_squares_lie_where_they_should(raw: Path, tmp_path: Path) -> None:
    pack(Data(name="photos"), raw, tmp_path, workers=1)
    packed = Packed.open(tmp_path / "data.h5")
    assert (packed.count("items"), packed.fields["image"].shape, packed.fields["label"].names) == (
        4292,
        (3, 64, 64),
        ("china", "flower"),
    )
    assert packed.class_counts("label") == [2146, 2146]
    flower = np.asarray(Image.open(raw / "flower.jpg"))
    at = packed.read_rows("image", np.array([2146 + 58 * 2 + 5]))[0]
    np.testing.assert_array_equal(at, flower[20:84, 50:114])


def test_smaller_squares_and_a_damaged_photograph(raw: Path, tmp_path: Path) -> None:
    pack(Data(name="photos", size=32), raw, tmp_path / "packed", workers=1)
    assert Packed.open(tmp_path / "packed" / "data.h5").fields["image"].shape == (3, 32, 32)
    for name in ("SOURCE.json", "china.jpg"):
        (tmp_path / name).write_bytes((raw / name).read_bytes())
    (tmp_path / "flower.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="flower.jpg: is no image in a known format"):
        pack(Data(name="photos"), tmp_path, tmp_path / "other", workers=1)
    Image.new("RGB", (80, 80)).save(tmp_path / "flower.jpg")
    with pytest.raises(DataError, match=f"give 2150 crops instead of {PHOTOS.count}"):
        pack(Data(name="photos"), tmp_path, tmp_path / "other", workers=1)
