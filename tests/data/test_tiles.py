"""Photographs cut into tiles: which pixels, the small side by the formula, splits by photograph, any workers."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.fault_server import serving
from PIL import Image
from raw_files import encoded, picture, write_folder, write_source

from ganpipe.config import Data
from ganpipe.data.catalogue import sets
from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.origins import Published
from ganpipe.data.catalogue.photographs import DIV2K
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, DataError


def png(width: int, height: int, seed: int = 0) -> bytes:
    return encoded(picture(width, height, seed), "PNG")


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def packed(members: Mapping[str, bytes], tmp_path: Path, workers: int = 1, **values: Any) -> Packed:
    raw = write_folder(tmp_path / "raw", members, "photo_tiles")
    data = Data.model_validate({"name": "photo_tiles", "size": 16, "scale": 4, **values})
    pack(data, raw, tmp_path / "packed", workers)
    return Packed.open(tmp_path / "packed" / "data.h5")


def all_rows(found: Packed, field: str) -> np.ndarray:
    return found.read_rows(field, np.arange(found.count("items")))


def test_tiles_stand_side_by_side_from_the_upper_left_corner(tmp_path: Path) -> None:
    content = png(53, 37)
    found = packed({"one.png": content}, tmp_path)
    assert {name: field.shape for name, field in found.fields.items()} == {
        "image": (3, 16, 16),
        "low": (3, 4, 4),
        "photo": (),
        "tile": (2,),
    }
    whole, tiles = pixels(content), all_rows(found, "image")
    assert len(tiles) == 3 * 2
    for number, tile in enumerate(tiles):
        top, left = 16 * (number // 3), 16 * (number % 3)
        np.testing.assert_array_equal(tile, whole[top : top + 16, left : left + 16])


def test_the_small_side_is_cut_from_the_reduced_photograph(tmp_path: Path) -> None:
    content = png(53, 38)
    found = packed({"one.png": content}, tmp_path)
    small = Image.fromarray(pixels(content)[:36, :52]).resize((13, 9), Image.Resampling.BICUBIC)
    expected = np.asarray(small)[:8, :12].reshape(2, 4, 3, 4, 3).swapaxes(1, 2).reshape(6, 4, 4, 3)
    np.testing.assert_array_equal(all_rows(found, "low"), expected)


def cubic(x: float, a: float = -0.5) -> float:
    """Keys 1981, IEEE TASSP 29(6), equation 4 with a = -1/2, as MATLAB's imresize has it."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def weights(count: int, scale: int) -> np.ndarray:
    """The antialiased weights of every reduced place along one side, by the formula."""
    rows = np.zeros((count // scale, count))
    for place in range(count // scale):
        centre = (place + 0.5) * scale - 0.5
        for at in range(math.floor(centre - 2 * scale), math.ceil(centre + 2 * scale) + 1):
            if 0 <= at < count:
                rows[place, at] = cubic((at - centre) / scale)
        rows[place] /= rows[place].sum()
    return rows


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_small_side_is_the_antialiased_bicubic_of_the_formula(scale: int, tmp_path: Path) -> None:
    content = png(96, 48)
    found = packed({"one.png": content}, tmp_path, size=48, scale=scale)
    across, down = weights(96, scale), weights(48, scale)
    formula = np.einsum("yh,hwc,xw->yxc", down, pixels(content).astype(float), across)
    low = all_rows(found, "low").astype(float)
    joined = np.concatenate(list(low), axis=1)
    assert np.abs(joined - formula.clip(0, 255)).max() <= 1.01  # two roundings to whole levels


def test_without_a_scale_there_is_no_small_side(tmp_path: Path) -> None:
    assert packed({"one.png": png(40, 40)}, tmp_path, scale=1).fields.keys() == {"image", "photo", "tile"}


def test_every_eighth_photograph_is_of_the_test_and_none_is_in_two_splits(tmp_path: Path) -> None:
    found = packed({f"{number:02d}.png": png(33, 33, number) for number in range(17)}, tmp_path)
    names = found.fields["photo"].names
    by_split = {
        split: {names[row] for row in found.read_rows("photo", np.arange(rows.start, rows.stop))}
        for split, rows in found.splits("items").items()
    }
    assert by_split["test"] == {"07", "15"}
    assert by_split["train"] == {f"{number:02d}" for number in range(17)} - by_split["test"]
    assert found.count("items") == 17 * 4


def test_folders_of_splits_are_followed(tmp_path: Path) -> None:
    members = {"train/a.png": png(16, 16), "train/b.png": png(32, 16, 1), "test/c.png": png(16, 16, 2)}
    found = packed(members, tmp_path)
    assert {split: len(rows) for split, rows in found.splits("items").items()} == {"train": 3, "test": 1}


def test_a_turned_photograph_is_cut_upright(tmp_path: Path) -> None:
    image = picture(48, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(image, "PNG", exif=exif)
    tiles = all_rows(packed({"one.png": content}, tmp_path), "image")
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270))
    assert len(tiles) == 3
    np.testing.assert_array_equal(tiles[1], upright[16:32, :16])


def test_what_cannot_be_cut_is_listed(tmp_path: Path) -> None:
    members = {
        "good.png": png(40, 40),
        "small.png": png(40, 15),
        "broken.png": png(40, 40)[:-300],
        "notes.txt": b"sunny",
    }
    found = packed(members, tmp_path)
    assert found.count("items") == 4 and found.fields["photo"].names == ("good",)
    listed = (tmp_path / "packed" / "quarantine.csv").read_text()
    assert "small.png,is 40 x 15 pixels, smaller than a tile: data.size = 16" in listed.replace('"', "")
    assert "broken.png" in listed and "notes.txt" in listed


def test_the_rows_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    members = {f"{number:03d}.png": png(20 + number % 30, 40, number) for number in range(150)}
    hashes = {packed(members, tmp_path, workers).content_sha256 for workers in (1, 3)}
    assert len(hashes) == 1


def test_grey_tiles(tmp_path: Path) -> None:
    found = packed({"one.png": png(40, 40)}, tmp_path, channels=1)
    assert found.fields["image"].shape == (1, 16, 16) and found.fields["low"].shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 18}, r"data\.size = 18 is no multiple of data\.scale = 4"),
        ({"crop": 20}, r"data\.crop = 20 cuts pictures, but data\.name = 'photo_tiles' cuts tiles of data\.size"),
    ],
)
def test_params_that_do_not_suit_tiles(values: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        packed({"one.png": png(40, 40)}, tmp_path, **values)


def test_no_photograph_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="that can be used"):
        packed({"small.png": png(9, 9)}, tmp_path)


def test_div2k_from_archives_in_the_published_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    archives = {}
    for folder, numbers in (("DIV2K_train_HR", (1, 2, 3)), ("DIV2K_valid_HR", (801,))):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.mkdir(folder)
            for number in numbers:
                archive.writestr(f"{folder}/{number:04d}.png", png(204, 110, number))
        archives[f"{folder}.zip"] = out.getvalue()
    files = []
    for name, content in archives.items():
        with serving(content) as server:
            url = f"{server.url}/{name}"
            file = RawFile(name, Published((url,)), len(content), hashlib.sha256(content).hexdigest())
            monkeypatch.setitem(sets.DATASETS, "div2k", replace(DIV2K, files=(file,)))
            download(Data(name="div2k"), Path("raw"))
            files.append(file)
    assert [file.name for file in files] == [file.name for file in DIV2K.files]
    write_source(Path("raw"), "div2k")
    pack(Data(name="div2k"), Path("raw"), Path("packed"))
    found = Packed.open(Path("packed/data.h5"))
    assert {name: field.shape for name, field in found.fields.items()} == {
        "image": (3, 96, 96),
        "low": (3, 24, 24),
        "photo": (),
        "tile": (2,),
    }
    assert {split: len(rows) for split, rows in found.splits("items").items()} == {"train": 6, "valid": 2}
    assert found.fields["photo"].names == ("0001", "0002", "0003", "0801")
