"""Photographs in tiles beside pictures of a style in overlapping squares: which pixels, how many, which split."""

from __future__ import annotations

import hashlib
import importlib.util
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
from ganpipe.data.catalogue.photographs import PHOTOGRAPHS, PHOTOGRAPHS_PAINTING
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, DataError

PAINTING = PHOTOGRAPHS_PAINTING.files[-1]


def png(width: int, height: int, seed: int = 0) -> bytes:
    return encoded(picture(width, height, seed), "PNG")


def packed(members: Mapping[str, bytes], tmp_path: Path, workers: int = 1, **values: Any) -> Packed:
    raw = write_folder(tmp_path / "raw", members, "style_folders")
    pack(Data.model_validate({"name": "style_folders", "size": 16, **values}), raw, tmp_path / "packed", workers)
    return Packed.open(tmp_path / "packed" / "data.h5")


def lengths(found: Packed) -> dict[str, dict[str, int]]:
    return {space: {name: len(rows) for name, rows in found.splits(space).items()} for space in found.spaces}


def in_order(squares: np.ndarray, spread: bool) -> np.ndarray:
    """The squares of one picture row by row, where every eighth is at the end."""
    numbers = np.arange(len(squares))
    late = (numbers % 8 == 7) & spread
    found = np.empty_like(squares)
    found[np.concatenate([numbers[~late], numbers[late]])] = squares
    return found


def test_photographs_are_cut_side_by_side_and_a_style_overlaps(tmp_path: Path) -> None:
    found = packed({"mine/1.png": png(53, 37), "style/1.png": png(29, 21, 7)}, tmp_path)
    assert {name: (field.shape, field.space) for name, field in found.fields.items()} == {
        "a": ((3, 16, 16), "a"),
        "b": ((3, 16, 16), "b"),
    }
    whole = {"a": np.asarray(picture(53, 37)), "b": np.asarray(picture(29, 21, 7))}
    for field, step, down, across in (("a", 16, 2, 3), ("b", 2, 3, 7)):
        squares = in_order(found.read_rows(field, np.arange(found.count(field))), field == "b")
        assert len(squares) == down * across
        for number, square in enumerate(squares):
            top, left = step * (number // across), step * (number % across)
            np.testing.assert_array_equal(square, whole[field][top : top + 16, left : left + 16])


@pytest.mark.parametrize(("width", "height", "rows"), [(64, 48, 14 * 9), (48, 64, 14 * 9), (32, 32, 81), (31, 16, 8)])
def test_a_style_is_reduced_to_two_squares_and_never_enlarged(
    width: int, height: int, rows: int, tmp_path: Path
) -> None:
    found = packed({"mine/1.png": png(16, 16), "style/1.png": png(width, height, 7)}, tmp_path)
    short = min(width, height, 32)
    size = round(width * short / min(width, height)), round(height * short / min(width, height))
    first = np.asarray(picture(width, height, 7).resize(size, Image.Resampling.LANCZOS))[:16, :16]
    assert found.count("b") == rows
    np.testing.assert_array_equal(found.read_rows("b", np.arange(1))[0], first)


def test_every_eighth_photograph_is_of_the_test_and_every_eighth_square_of_a_style(tmp_path: Path) -> None:
    members = {f"mine/{number:02d}.png": png(16, 32, number) for number in range(9)}
    members |= {f"style/{number:02d}.png": png(16, 16, 50 + number) for number in range(9)}
    members["style/large.png"] = png(34, 16, 70)  # ten squares
    found = packed(members, tmp_path)
    assert lengths(found) == {"a": {"train": 16, "test": 2}, "b": {"train": 18, "test": 1}}
    np.testing.assert_array_equal(found.read_rows("b", np.array([18]))[0], np.asarray(picture(34, 16, 70))[:, 14:30])
    held_out = found.read_rows("a", np.array([16]))[0]
    np.testing.assert_array_equal(held_out, np.asarray(picture(16, 32, 7))[:16])


def test_folders_of_splits_are_followed(tmp_path: Path) -> None:
    members = {f"trainA/{number:02d}.png": png(16, 16, number) for number in range(9)}
    members |= {"testA/x.png": png(32, 16, 20), "trainB/y.png": png(16, 16, 21)}
    assert lengths(packed(members, tmp_path)) == {"a": {"train": 9, "test": 2}, "b": {"train": 1}}


def test_the_rows_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    members = {f"mine/{number:03d}.png": png(20 + number % 30, 40, number) for number in range(150)}
    members |= {f"style/{number}.png": png(40, 40, 200 + number) for number in range(3)}
    assert len({packed(members, tmp_path, workers).content_sha256 for workers in (1, 3)}) == 1


def test_what_cannot_be_cut_is_listed(tmp_path: Path) -> None:
    members = {"mine/1.png": png(16, 16), "mine/low.png": png(40, 15), "style/1.png": png(20, 20)}
    found = packed({**members, "style/broken.png": png(40, 40)[:-300], "beside.png": png(16, 16)}, tmp_path)
    assert (found.count("a"), found.count("b")) == (1, 9)
    listed = (tmp_path / "packed" / "quarantine.csv").read_text().replace('"', "")
    assert "mine/low.png,is 40 x 15 pixels, smaller than a tile: data.size = 16" in listed
    assert "style/broken.png" in listed and "beside.png,lies in neither of the folders" in listed


@pytest.mark.parametrize(
    ("members", "values", "message"),
    [
        ({"mine/1.png": png(16, 16)}, {}, "data.name = 'style_folders' needs two folders"),
        ({"mine/1.png": png(16, 16), "style/1.png": png(9, 9)}, {}, "holds no image that can be used"),
        ({"mine/1.png": png(16, 16), "style/1.png": png(16, 16)}, {"crop": 20}, "data.crop = 20 cuts pictures, but"),
    ],
)
def test_what_will_not_do_is_one_line(
    members: dict[str, bytes], values: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        packed(members, tmp_path, **values)
    assert "\n" not in str(caught.value)


def test_what_is_done_to_both_fields_is_told(tmp_path: Path) -> None:
    found = packed({"mine/1.png": png(16, 16), "style/1.png": png(16, 16)}, tmp_path)
    assert found.attributes["transform"] == (
        "tiles of 16 pixels, RGB; tiles of 16 pixels every 2, of photographs whose shorter side is 32 at most "
        "(Lanczos), RGB"
    )


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def small_painting(monkeypatch: pytest.MonkeyPatch, content: bytes, url: str) -> None:
    """Put a small painting in the place of the published one."""
    file = RawFile(PAINTING.name, Published((url,)), len(content), hashlib.sha256(content).hexdigest())
    files = (*PHOTOGRAPHS.files, file)
    monkeypatch.setitem(sets.DATASETS, "photographs-painting", replace(PHOTOGRAPHS_PAINTING, files=files))


@pytest.mark.usefixtures("workplace")
def test_the_painting_comes_from_the_web_and_the_photographs_from_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(picture(400, 300), quality=90)
    data = Data(name="photographs-painting", size=64)
    with serving(content) as server:
        small_painting(monkeypatch, content, f"{server.url}{PAINTING.name}")
        download(data, Path("raw"))
    pack(data, Path("raw"), Path("packed"), 1)
    found = Packed.open(Path("packed/data.h5"))
    assert found.fields["a"].shape == found.fields["b"].shape == (3, 64, 64)
    held_out = (451 // 64) * (300 // 64) + (640 // 64) * (427 // 64) + (600 // 64) * (400 // 64)
    assert lengths(found)["a"]["test"] == held_out  # chelsea, china, coffee
    squares = ((171 - 64) // 8 + 1) * ((128 - 64) // 8 + 1)
    assert lengths(found)["b"] == {"train": squares - squares // 8, "test": squares // 8}


@pytest.mark.usefixtures("workplace")
def test_a_folder_with_the_painting_alone_will_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = encoded(picture(400, 300), quality=90)
    small_painting(monkeypatch, content, f"http://127.0.0.1:9/{PAINTING.name}")
    Path("abstract").mkdir()
    Path("abstract", PAINTING.name).write_bytes(content)
    download(Data(name="photographs-painting", source="abstract"), Path("raw"))
    assert "astronaut.png is not in abstract: taking it from the package scikit-image" in capsys.readouterr().err
    folder = importlib.util.find_spec("skimage").submodule_search_locations[0]  # type: ignore[union-attr,index]
    assert Path("raw/coffee.png").read_bytes() == Path(folder, "data/coffee.png").read_bytes()
    assert Path("raw", PAINTING.name).read_bytes() == content


@pytest.mark.usefixtures("workplace")
def test_without_the_check_of_files_nothing_comes_from_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("abstract").mkdir()
    Path("abstract", PAINTING.name).write_bytes(b"another")
    with pytest.raises(ConfigError, match="there is no such file; give the path of astronaut.png"):
        download(Data(name="photographs-painting", source="abstract", verify=False), Path("raw"))


def test_a_missing_painting_is_one_line(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_source(raw, "photographs-painting")
    for file in PHOTOGRAPHS.files:
        (raw / file.name).write_bytes(png(140, 140))
    with pytest.raises(DataError, match=r"Elephants.jpg: cannot be read: No such file.*dvc repro download"):
        pack(Data(name="photographs-painting"), raw, tmp_path / "packed", 1)
