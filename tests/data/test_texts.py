"""Captions: composed of what is measured, encoded once when they are packed, and referred to by pictures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import emoji_files
import numpy as np
import pytest
import torch

from ganpipe.config import Data
from ganpipe.data.download.stage import download
from ganpipe.data.pack.digit_texts import DIGITS, in_thirds, slants, thicknesses
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.given import GivenRows
from ganpipe.data.packed.sampler import Sampler
from ganpipe.errors import ConfigError, DataError
from ganpipe.pretrained.encoders import RandomEncoder

DIGITS_SET = "digits-captions"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    download(Data(name=DIGITS_SET), folder)
    return folder


def packed_as(raw: Path, into: Path, **params: object) -> Packed:
    pack(Data(name=DIGITS_SET, **({"encoder": "random-0"} | params)), raw, into, 1)
    packed = Packed.open(into / "data.h5")
    packed.verify()
    return packed


@pytest.fixture(scope="module")
def packed(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return packed_as(raw, tmp_path_factory.mktemp("packed"))


def texts(packed: Packed, field: str, split: str | None = None) -> list[str]:
    """The texts or classes of a field."""
    rows = packed.rows(split, "items") if split else None
    return [packed.fields[field].names[number] for number in packed.slice(field, rows)]


def drawn(width: int, lean: int) -> np.ndarray:
    """A white stroke of this width, whose upper end is `lean` pixels to the right of its lower one."""
    image = np.zeros((28, 28), np.uint8)
    for row in range(4, 24):
        left = 12 + round(lean * (14 - row) / 20)
        image[row, left : left + width] = 255
    return image


def test_thickness_and_slant_are_those_that_were_drawn() -> None:
    widths = thicknesses(np.stack([drawn(width, 0) for width in (1, 3, 5)]))
    assert widths == pytest.approx([1, 3, 5], rel=0.3) and np.all(np.diff(widths) > 0)
    leans = slants(np.stack([drawn(3, lean) for lean in (-10, 0, 10)]))
    assert leans == pytest.approx([-0.5, 0, 0.5], abs=0.03)
    assert in_thirds(np.arange(9.0), np.arange(9) < 6).tolist() == [0, 0, 1, 1, 2, 2, 2, 2, 2]


def test_a_caption_says_what_its_labels_say_and_a_swapped_one_differs_in_one_part(packed: Packed) -> None:
    columns = [texts(packed, name) for name in ("label", "thickness", "slant", "caption", "swapped")]
    trained = set(texts(packed, "caption", "train"))
    changed: Counter[int] = Counter()
    for digit, thickness, slant, caption, swapped in zip(*columns, strict=True):
        assert caption == f"a {thickness} {DIGITS[int(digit)]}, {slant}"
        mine, theirs = caption.replace(",", "").split(" ", 3), swapped.replace(",", "").split(" ", 3)
        differ = [place for place, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1]]
        assert len(differ) == 1 and swapped in trained
        changed[differ[0]] += 1
    assert changed.keys() == {1, 2, 3} and min(changed.values()) > 1000


def test_a_tenth_of_the_combinations_is_kept_back(packed: Packed) -> None:
    kept, trained = (set(texts(packed, "caption", split)) for split in ("valid", "train"))
    assert len(kept) == 9 and not kept & trained and len(kept | trained) == 90
    thirds = Counter(texts(packed, "thickness", "train") + texts(packed, "thickness", "valid"))
    assert max(thirds.values()) - min(thirds.values()) <= 1  # of all digits but those of the test


def test_every_text_is_encoded_once_and_pictures_refer_to_it(packed: Packed) -> None:
    assert packed.texts is not None and len(packed.texts.names) == len(set(packed.texts.names)) == 90
    field = packed.fields["caption"]
    features, mask = RandomEncoder(0).encode(field.names)
    assert field.shape == features.shape[1:] and packed.row_bytes("items") == 28 * 28 + 5 * 8
    rows = np.array([4999, 0, 17])
    numbers = packed.read_rows("caption", rows)
    found = packed.values("caption", rows)
    assert found.dtype == np.float16 and np.array_equal(found, features.half().numpy()[numbers])
    assert np.array_equal((found != 0).any(axis=2), mask.numpy()[numbers])


def test_batches_and_given_rows_hold_what_the_encoder_says(packed: Packed) -> None:
    sampler = Sampler(packed, seed=0)
    batch, rows = sampler.fetch(7, 5), sampler.order("items", 7, 5)
    for name in ("caption", "swapped"):
        assert batch[name].dtype == torch.float32
        assert torch.equal(batch[name], torch.from_numpy(packed.values(name, rows)).float())
    given = GivenRows(packed)
    wanted = packed.values("caption", given.numbers("items", 3, 4))
    assert torch.equal(given.fetch("caption", 3, 4), torch.from_numpy(wanted).float())


def test_the_encoder_is_named_in_the_manifest_and_part_of_the_hash(raw: Path, packed: Packed, tmp_path: Path) -> None:
    manifest = json.loads(packed.path.with_name("manifest.json").read_text())
    encoder = {"source": "random-0", "sha256": RandomEncoder(0).sha256}
    assert all(manifest["fields"][name]["encoder"] == encoder for name in ("caption", "swapped"))
    assert "names" not in manifest["fields"]["caption"] and "encoder" not in manifest["fields"]["label"]
    sharded = packed_as(raw, tmp_path / "sharded", shards=3)
    assert sharded.content_sha256 == packed.content_sha256 and sharded.fields == packed.fields
    assert np.array_equal(sharded.values("caption", np.array([4999])), packed.values("caption", np.array([4999])))
    other = packed_as(raw, tmp_path / "other", encoder="random-1", compression="gzip")
    assert other.content_sha256 != packed.content_sha256
    assert not np.array_equal(other.values("caption", np.array([0])), packed.values("caption", np.array([0])))


def test_damaged_features_are_noticed(raw: Path, tmp_path: Path) -> None:
    packed = packed_as(raw, tmp_path)
    assert packed.texts is not None and packed.texts.features.offset is not None
    with packed.path.open("r+b") as file:
        file.seek(packed.texts.features.offset + 100)
        file.write(b"\x00\x3c")
    with pytest.raises(DataError, match="do not give its content_sha256"):
        Packed.open(packed.path).verify()


def test_an_encoder_that_is_not_there_or_not_needed_is_refused(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data.encoder = 'bertha': no such folder; name minilm, random-SEED"):
        packed_as(raw, tmp_path / "a", encoder="bertha")
    with pytest.raises(ConfigError, match="data.encoder = 'minilm' is for captions, but data.name = 'digits' has none"):
        download(Data(name="digits"), tmp_path / "raw")
        pack(Data(name="digits", encoder="minilm"), tmp_path / "raw", tmp_path / "b", 1)


def test_captions_of_emoji_name_the_vendor_and_swaps_stay_in_their_split(tmp_path: Path) -> None:
    emoji_files.write_packages(tmp_path)
    asked = Data(name="emoji-captions", source=str(tmp_path), verify=False, size=4, encoder="random-0")
    download(asked, tmp_path / "raw")
    pack(asked, tmp_path / "raw", tmp_path / "packed", 1)
    packed = Packed.open(tmp_path / "packed" / "data.h5")
    swaps: Counter[str] = Counter()
    for split in packed.splits("items"):
        columns = [texts(packed, name, split) for name in ("caption", "swapped", "label", "tone")]
        for caption, swapped, vendor, tone in zip(*columns, strict=True):
            name, other = caption.rpartition(",")[0], swapped.rpartition(",")[0]
            assert caption == f"{name}, {vendor.lower()} style" and swapped != caption and swapped in columns[0]
            assert (tone != "no tone") == ("skin tone" in name)
            swaps["vendor" if name == other else "tone"] += 1
            assert name == other or swapped.endswith(f"{vendor.lower()} style")
            assert name.partition(":")[0] == other.partition(":")[0]
    assert swaps["vendor"] > 500 and swaps["tone"] > 100
    valid, train = (set(texts(packed, "caption", split)) for split in ("valid", "train"))
    assert valid and not valid & train
    assert {name.partition(":")[0] for name in valid} <= {name.rpartition(",")[0].partition(":")[0] for name in train}
