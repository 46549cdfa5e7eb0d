"""The published sets for translators: small archives in the exact layout, from an HTTP server to the packed rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data.fault_server import GOOD, Reply, serving
from raw_files import encoded, four_folders, picture

from ganpipe.config import Data
from ganpipe.data.catalogue import sets
from ganpipe.data.catalogue.dataset import Dataset, RawFile
from ganpipe.data.catalogue.origins import Published
from ganpipe.data.catalogue.translation import TRANSLATION
from ganpipe.data.download import transfer
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError

PAIRED = [dataset.name for dataset in TRANSLATION if {one.space for one in dataset.fields.values()} == {"items"}]
UNPAIRED = [dataset.name for dataset in TRANSLATION if dataset.name not in PAIRED]
LENGTHS = {"trainA": 3, "trainB": 4, "testA": 2, "testB": 1}


@pytest.fixture(autouse=True)
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(transfer, "BACKOFF_SECONDS", 0.01)


def colour(number: int) -> bytes:
    """A picture of one colour, which JPEG keeps about as it is."""
    image = picture(40, 30)
    image.paste((10 * number, 255 - 10 * number, 5 * number), (0, 0, 40, 30))
    return encoded(image, quality=95)


def archive(root: str, lengths: Mapping[str, int], names: str) -> tuple[bytes, dict[str, list[int]]]:
    """Return a zip as the authors made it, with its folders, and the numbers of the pictures of each folder."""
    numbers = iter(range(25))
    found = {folder: [next(numbers) for _ in range(length)] for folder, length in lengths.items()}
    pictures = {
        folder: {names.format(side=folder[-1], number=place): colour(number) for place, number in enumerate(mine, 1)}
        for folder, mine in found.items()
    }
    return four_folders(root, pictures), found


def published(name: str, content: bytes, url: str, count: int, splits: tuple[tuple[str, int], ...]) -> Dataset:
    """Return the entry of the catalogue with the address, size and hash of a small archive."""
    dataset = sets.DATASETS[name]
    (file,) = dataset.files
    small = RawFile(file.name, Published((f"{url}/{file.name}",)), len(content), hashlib.sha256(content).hexdigest())
    return replace(dataset, files=(small,), count=count, splits=splits)


def packed(name: str, monkeypatch: pytest.MonkeyPatch, content: bytes, *replies: Reply, **counted: object) -> Packed:
    with serving(content, *(replies or (GOOD,))) as server:
        monkeypatch.setitem(sets.DATASETS, name, published(name, content, server.url, **counted))  # type: ignore[arg-type]
        data = Data(name=name, size=16)
        download(data, Path("raw"))
    pack(data, Path("raw"), Path("packed"))
    assert not Path("packed/quarantine.csv").exists()
    return Packed.open(Path("packed/data.h5"))


def shown(found: Packed, field: str) -> list[int]:
    """The numbers of the pictures of a field, by their red."""
    rows = found.read_rows(field, np.arange(found.count(found.fields[field].space)))
    return [round(float(pixels[..., 0].mean()) / 10) for pixels in rows]


@pytest.mark.parametrize("name", UNPAIRED)
def test_sets_without_pairs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, numbers = archive(name, LENGTHS, "n0238{number}_{number}.jpg")
    found = packed(name, monkeypatch, content, count=10, splits=(("train", 7), ("test", 3)))
    for field in ("a", "b"):
        assert found.fields[field].space == field and found.fields[field].shape == (3, 16, 16)
        train, test = numbers[f"train{field.upper()}"], numbers[f"test{field.upper()}"]
        assert shown(found, field) == [*train, *test]
        assert {split: len(rows) for split, rows in found.splits(field).items()} == {
            "train": len(train),
            "test": len(test),
        }


@pytest.mark.parametrize("names", ["{number}_{side}.jpg", "{number}.jpg"])
@pytest.mark.parametrize("name", PAIRED)
def test_sets_of_pairs(name: str, names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, numbers = archive(name, {"trainA": 3, "trainB": 3, "testA": 2, "testB": 2}, names)
    found = packed(name, monkeypatch, content, count=5, splits=(("train", 3), ("test", 2)))
    assert found.spaces == ("items",)
    assert shown(found, "a") == [*numbers["trainA"], *numbers["testA"]]
    assert shown(found, "b") == [*numbers["trainB"], *numbers["testB"]]
    assert {split: len(rows) for split, rows in found.splits("items").items()} == {"train": 3, "test": 2}


def test_a_download_that_breaks_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    content, _ = archive("horse2zebra", LENGTHS, "{number}.jpg")
    cut = replace(GOOD, cut=0.5)
    packed("horse2zebra", monkeypatch, content, cut, GOOD, count=10, splits=(("train", 7), ("test", 3)))


def test_another_archive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content, _ = archive("apple2orange", LENGTHS, "{number}.jpg")
    with serving(content) as server:
        data = Data(name="apple2orange", source=server.url)
        with pytest.raises(DataError, match=r"offers \d+ bytes instead of 78456409"):
            download(data, Path("raw"))
    assert not list(Path("raw").glob("*.zip"))


def test_fewer_pictures_than_published_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content, _ = archive("monet2photo", LENGTHS, "{number}.jpg")
    with pytest.raises(DataError, match=r"gives the splits \{'train': 7, 'test': 3\} instead of .*'train': 9"):
        packed("monet2photo", monkeypatch, content, count=12, splits=(("train", 9), ("test", 3)))


def test_what_the_names_of_the_archives_are() -> None:
    assert [dataset.files[0].name for dataset in TRANSLATION] == [f"{dataset.name}.zip" for dataset in TRANSLATION]
    assert {"facades", "maps"} == set(PAIRED)
    for dataset in TRANSLATION:
        assert dataset.count == sum(length for _, length in dataset.splits)
