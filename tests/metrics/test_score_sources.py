"""What `ganpipe score` takes: folders and archives of pictures, arrays, packed files, each at any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics.scored import SIDE, images, png, save_npy, score, write_folder, write_h5, write_zip
from PIL import Image
from raw_files import jpeg, write_tar
from raw_files import write_folder as raw_folder

from ganpipe.config import Data
from ganpipe.data.pack.images import Transform
from ganpipe.data.pack.stage import pack
from ganpipe.metrics.images import open_images


def as_zip(path: Path, pixels: np.ndarray) -> None:
    write_zip(path, members(pixels))


def as_tar(path: Path, pixels: np.ndarray) -> None:
    write_tar(path, dict(reversed(members(pixels).items())), "w:")


def as_packed_tar(path: Path, pixels: np.ndarray) -> None:
    write_tar(path, members(pixels), "w:gz")


def members(pixels: np.ndarray) -> dict[str, bytes]:
    """The names of `write_folder`, and files that are no pictures."""
    named = {f"part{number % 2}/{number:04d}.odd": png(one) for number, one in enumerate(pixels)}
    return dict(sorted(named.items())) | {"notes.txt": b"how they were made", "__MACOSX/part0/._0000.png": b"?"}


def as_npz(path: Path, pixels: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, images=pixels, labels=np.arange(len(pixels)), seeds=np.arange(3))


OF_ONE_KIND = {"zip": as_zip, "tar": as_tar, "tar.gz": as_packed_tar}
ARRAYS = {
    "npz": as_npz,
    "npy of bytes": save_npy,
    "npy of 0..1": lambda path, pixels: save_npy(path, pixels / 255),
    "npy of -1..1": lambda path, pixels: save_npy(path, pixels.astype(np.float32) / 127.5 - 1),
    "npy, channels first": lambda path, pixels: save_npy(path, pixels.transpose(0, 3, 1, 2)),
}


def result(fake: Path, real: Path, *options: str) -> dict[str, Any]:
    out = fake.parent / "scores.json"
    code, _, errors = score(fake, real, "--extractor", "pixel", "--out", str(out), *options)
    assert code == 0, errors
    return json.loads(out.read_text())


@pytest.mark.parametrize("kind", OF_ONE_KIND)
def test_an_archive_gives_the_scores_of_its_folder(kind: str, tmp_path: Path) -> None:
    """Whatever its name, the names of its members and their order are."""
    pixels, real = images(0, 40), write_h5(tmp_path / "real.h5", images(1, 40))
    write_folder(tmp_path / "folder", pixels)
    OF_ONE_KIND[kind](tmp_path / "archive", pixels)
    assert result(tmp_path / "archive", real) == result(tmp_path / "folder", real)
    said = score(tmp_path / "archive", real, "--extractor", "pixel")[1]
    assert f"Note: {tmp_path / 'archive'}: left out 1 .txt, no pictures in a format that is read" in said


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_give_the_scores_of_a_packed_file(kind: str, tmp_path: Path) -> None:
    pixels, real = images(0, 40), write_h5(tmp_path / "real.h5", images(1, 40))
    ARRAYS[kind](tmp_path / "arrays", pixels)
    assert result(tmp_path / "arrays", real) == result(write_h5(tmp_path / "fake.h5", pixels), real)
    if kind == "npz":
        assert "left out 1 arrays of neither" in score(tmp_path / "arrays", real, "--extractor", "pixel")[1]


def test_arrays_with_opacity_lie_over_white(tmp_path: Path) -> None:
    pixels = np.concatenate([images(0, 9), np.full((9, SIDE, SIDE, 1), 255, np.uint8)], axis=3)
    pixels[0, ..., 3] = 0
    found = open_images(save_npy(tmp_path / "a.npy", pixels))
    assert (found.read(np.array([0])) == 255).all() and np.array_equal(found.read(np.array([5]))[0], pixels[5, ..., :3])


@pytest.mark.parametrize("name", ["samples.h5", "data.h5", "mine.h5"])
def test_a_folder_with_one_packed_file_is_that_file(name: str, tmp_path: Path) -> None:
    packed, real = write_h5(tmp_path / "stage" / name, images(0, 20)), write_h5(tmp_path / "real.h5", images(1, 20))
    Image.fromarray(images(2, 1, side=50)[0]).save(tmp_path / "stage" / "preview.png")
    assert result(tmp_path / "stage", real) == result(packed, real)


def test_a_folder_of_shards_is_the_set_that_they_make_up(tmp_path: Path) -> None:
    write_folder(tmp_path / "fake", images(0, 30))
    raw = raw_folder(tmp_path / "raw", {f"{n:02d}.png": png(one) for n, one in enumerate(images(0, 30))})
    pack(Data(name="folder", size=SIDE, shards=3), raw, tmp_path / "packed", 1)
    assert len(open_images(tmp_path / "packed")) == 30
    assert result(tmp_path / "packed", tmp_path / "fake")["pixel"]["fd"] < 1e-6


def test_a_size_is_that_of_packing_and_is_recorded(tmp_path: Path) -> None:
    """Photographs of many sizes score against their packed file at its size as the file itself does."""
    photographs = {f"{n:02d}.jpg": jpeg(60 + n, 50 + 2 * n, n) for n in range(20)}
    raw = raw_folder(tmp_path / "raw", photographs)
    pack(Data(name="folder", size=32), raw, tmp_path / "packed", 1)
    (tmp_path / "mine").mkdir()
    for name, content in photographs.items():
        (tmp_path / "mine" / name).write_bytes(content)
    write_zip(tmp_path / "mine.zip", photographs)
    for given in ("mine", "mine.zip"):
        found = result(tmp_path / given, tmp_path / "packed", "--size", "32")
        assert found["size"] == 32 and found["fake_sha256"] == found["real_sha256"] and found["pixel"]["fd"] < 1e-6
    assert "size" not in result(tmp_path / "packed", tmp_path / "packed")
    code, _, errors = score(tmp_path / "mine", tmp_path / "packed", "--extractor", "pixel")
    assert code == 1 and "32 x 32 and 60 x 50 pixels: give --size N to bring both to N x N pixels" in errors


def test_a_size_brings_packed_images_and_arrays_to_it(tmp_path: Path) -> None:
    large, small = write_h5(tmp_path / "large.h5", images(0, 20, side=24)), save_npy(tmp_path / "a.npy", images(1, 20))
    found = open_images(large, 12)
    transform = Transform(None, 12, 3)
    wanted = transform.of_image(Image.fromarray(images(0, 20, side=24)[7]))
    assert found.shape == (12, 12, 3) and np.array_equal(found.read(np.array([7]))[0], wanted)
    assert result(large, small, "--size", "12")["size"] == 12
    grey = write_h5(tmp_path / "grey.h5", images(0, 20, channels=1))
    assert result(grey, small, "--size", "8")["n_real"] == 20


def test_pictures_are_known_by_their_content(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "fake", images(0, 20))
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        file.rename(file.with_suffix(("", ".dat", ".JPE")[number % 3]))
    (folder / "labels.csv").write_text("a,b")
    code, text, _ = score(folder, write_h5(tmp_path / "real.h5", images(1, 20)), "--extractor", "pixel")
    assert code == 0 and "n_fake                   20" in text
    assert f"Note: {folder}: left out 1 .csv, no pictures in a format that is read" in text
