"""Pictures of one's own in two folders or side by side: through download and pack, every odd one with its reason."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from data.packed_sets import write_set
from PIL import Image
from raw_files import encoded, jpeg, picture, write_folder

from ganpipe.config import Data
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack, shard_names
from ganpipe.data.packed import preview
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.sampler import Sampler
from ganpipe.errors import DataError

SIZE = 8


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def flat(value: int, width: int = 12, height: int = 10) -> bytes:
    """Return a PNG of one colour, so that its place after packing shows which picture it is."""
    return encoded(Image.new("RGB", (width, height), (value, value, value)), "PNG")


def packed_of(name: str, pictures: dict[str, bytes], **params: object) -> Packed:
    """Write pictures to a folder, download and pack it."""
    for file, content in pictures.items():
        path = Path("mine", file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    data = Data(name=name, source="mine", **({"size": SIZE} | params))
    download(data, Path("raw"))
    pack(data, Path("raw"), Path("packed"), workers=1)
    packed = Packed.open(Path("packed/data.h5"))
    packed.verify()
    return packed


def values(packed: Packed, field: str) -> list[int]:
    """Return the colour of every row, which must be of one colour."""
    pixels = packed.slice(field)
    assert (pixels == pixels[:, :1, :1]).all()
    return pixels[:, 0, 0, 0].tolist()


def quarantine() -> dict[str, str]:
    with Path("packed/quarantine.csv").open(newline="") as table:
        return {row["name"]: row["reason"] for row in csv.DictReader(table)}


TREES = {
    "A and B": ("A/{}", "B/{}"),
    "any two": ("maps/{}", "photos/{}"),
    "a in capitals": ("b/{}", "Ä/{}"),
    "inside train": ("train/a/{}", "train/b/{}"),
    "trainA": ("trainA/{}", "trainB/{}"),
    "train_a": ("train_a/{}", "train-B/{}"),
    "deeper": ("A/x/{}", "B/x/{}"),
}


@pytest.mark.parametrize("tree", ["A and B", "any two", "inside train", "trainA", "train_a", "deeper"])
def test_pairs_are_matched_by_name(tree: str) -> None:
    a, b = TREES[tree]
    pictures = {a.format(f"{number}.png"): flat(number) for number in (3, 20, 1)}
    pictures |= {b.format(f"{number}.bmp"): flat(100 + number) for number in (1, 3, 20)}
    packed = packed_of("paired_folders", pictures)
    assert values(packed, "a") == [1, 20, 3] and values(packed, "b") == [101, 120, 103]  # by name
    assert packed.spaces == ("items",) and packed.splits("items") == {"train": range(3)}
    assert packed.fields["a"].shape == packed.fields["b"].shape == (3, SIZE, SIZE)
    assert not Path("packed/quarantine.csv").exists()
    batch = Sampler(packed, 0).fetch(0, 9)
    assert np.allclose((batch["b"] - batch["a"]).numpy(), 100 / 127.5, atol=1e-6)


@pytest.mark.parametrize("form", ["{split}{side}", "{side}/{split}", "{split}/{side}"])
@pytest.mark.parametrize("valid", ["val", "valid", "validation"])
def test_splits_are_folders_by_the_usual_names(form: str, valid: str) -> None:
    pictures = {}
    for split, numbers in (("test", (5, 6)), ("train", (1, 2, 3)), (valid, (4,))):
        for number in numbers:
            for side, more in (("A", 0), ("B", 100)):
                name = f"{form.format(split=split, side=side)}/{number}.png"
                pictures[name] = flat(number + more)
    packed = packed_of("paired_folders", pictures)
    assert packed.splits("items") == {"train": range(3), "valid": range(3, 4), "test": range(4, 6)}
    assert values(packed, "a") == [1, 2, 3, 4, 5, 6] and values(packed, "b") == [101, 102, 103, 104, 105, 106]
    unpaired = packed_of("unpaired_folders", {})
    assert unpaired.splits("a") == unpaired.splits("b") == packed.splits("items")


def test_what_has_no_partner_is_left_out_with_the_reason() -> None:
    pictures = {f"{side}/{number}.png": flat(number) for side in "AB" for number in range(4)}
    pictures |= {"A/alone.png": flat(9), "B/other.png": flat(9), "top.png": flat(9)}
    pictures |= {"A/0.bmp": flat(40), "B/1.png": b"no picture", "A/test/2.png": flat(9)}
    packed = packed_of("paired_folders", pictures)
    assert values(packed, "a") == [40, 2, 3] and values(packed, "b") == [0, 2, 3]
    assert quarantine() == {
        "A/0.png": "has the name of another picture of its folder, but for the suffix",
        "A/alone.png": "has no partner of the same name in b (train)",
        "A/test/2.png": "has no partner of the same name in b (test)",
        "B/1.png": "is no image in a known format",
        "B/other.png": "has no partner of the same name in a (train)",
        "top.png": "lies in neither of the folders a, b",
        "A/1.png": "has a partner that cannot be used",
    }
    with pytest.raises(DataError, match="more than data.max_bad = 3 images cannot be used: 'A/0.png' has the name"):
        packed_of("paired_folders", {}, max_bad=3)


def test_two_folders_that_are_no_pairs_are_two_spaces() -> None:
    pictures = {f"trainA/{number}.png": flat(number) for number in range(5)}
    pictures |= {f"trainB/x{number}.png": flat(100 + number, 30, 20) for number in range(3)}
    pictures |= {"testA/z.png": flat(9), "testB/x0.png": flat(109)}
    packed = packed_of("unpaired_folders", pictures)
    assert packed.spaces == ("a", "b") and (packed.count("a"), packed.count("b")) == (6, 4)
    assert packed.splits("a") == {"train": range(5), "test": range(5, 6)}
    assert packed.splits("b") == {"train": range(3), "test": range(3, 4)}
    assert values(packed, "a") == [0, 1, 2, 3, 4, 9] and values(packed, "b") == [100, 101, 102, 109]
    manifest = json.loads(Path("packed/manifest.json").read_text())
    assert manifest["spaces"]["b"] == {"count": 4, "splits": {"train": [0, 3], "test": [3, 4]}}
    assert manifest["fields"]["b"] == {"kind": "image", "names": [], "shape": [3, SIZE, SIZE], "space": "b"}


def test_left_and_right_half_are_a_pair() -> None:
    def pair(left: int, right: int, width: int = 24) -> bytes:
        pixels = np.full((10, width, 3), left, np.uint8)
        pixels[:, width // 2 :] = right
        return encoded(Image.fromarray(pixels), "PNG")

    pictures = {"train/b.png": pair(1, 101), "train/deep/a.png": pair(2, 102), "val/c.png": pair(3, 103)}
    pictures |= {"test/d.png": pair(4, 104), "loose.png": pair(5, 105), "train/odd.png": pair(6, 106, 25)}
    packed = packed_of("side_by_side", pictures)
    assert packed.splits("items") == {"train": range(3), "valid": range(3, 4), "test": range(4, 5)}
    assert values(packed, "a") == [5, 1, 2, 3, 4] and values(packed, "b") == [105, 101, 102, 103, 104]
    assert quarantine() == {"train/odd.png": "is 25 pixels wide, an odd number: it has no two halves"}
    assert packed.attributes["transform"].startswith("left and right half apart, shorter side resized to 8")


def test_halves_are_those_of_the_picture_to_the_pixel() -> None:
    image = picture(32, 20)
    packed = packed_of("side_by_side", {"1.png": encoded(image, "PNG")}, crop="whole", size=None)
    pixels = np.asarray(image)
    assert np.array_equal(packed.slice("a")[0], pixels[:, :16]) and np.array_equal(packed.slice("b")[0], pixels[:, 16:])
    grey = packed_of("side_by_side", {}, crop=10, size=5, channels=1)
    assert grey.fields["a"].shape == grey.fields["b"].shape == (1, 5, 5)


def test_whole_pictures_may_have_another_size_on_each_side() -> None:
    """Low and high resolution: each field has the shape of its first picture."""
    pictures = {f"low/{n}.png": flat(n, 6, 4) for n in range(3)} | {f"high/{n}.png": flat(n, 12, 8) for n in range(3)}
    pictures["low/3.png"], pictures["high/3.png"] = flat(3, 4, 6), flat(3, 12, 8)
    packed = packed_of("paired_folders", pictures, crop="whole", size=None)
    assert packed.fields["a"].shape == (3, 8, 12) and packed.fields["b"].shape == (3, 4, 6)  # a is the folder high
    assert values(packed, "a") == values(packed, "b") == [0, 1, 2]
    assert quarantine() == {
        "low/3.png": "would be 4 x 6 pixels where the first image is 6 x 4",
        "high/3.png": "has a partner that cannot be used",
    }
    batch = Sampler(packed, 0, jitter=1, flip=True).fetch(0, 5)
    assert batch["a"].shape == (5, 3, 8, 12) and batch["b"].shape == (5, 3, 4, 6)


@pytest.mark.parametrize(
    ("name", "pictures", "problem"),
    [
        (
            "paired_folders",
            ["A/1.png"],
            "needs two folders, such as A and B, .*found pictures in a; mend what data.source",
        ),
        ("unpaired_folders", ["x/1.png", "y/1.png", "z/1.png"], "needs two folders.*found pictures in x, y, z; mend"),
        ("unpaired_folders", ["1.png"], "needs two folders.*found pictures in no folder"),
        ("paired_folders", ["train/1.png", "test/1.png"], "needs two folders.*found pictures in no folder"),
        ("paired_folders", ["A/1.png", "photos/1.png"], "needs two folders.*found pictures in a, photos"),
        ("paired_folders", ["A/1.png", "B/2.png"], "holds no pair of images that can be used"),
        ("paired_folders", ["testA/1.png", "testB/1.png"], "pictures of the split test only; put those to learn from"),
        ("side_by_side", ["val/1.png"], "pictures of the split valid only"),
    ],
)
def test_folders_that_will_not_do_are_named(name: str, pictures: list[str], problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        packed_of(name, {file: flat(1) for file in pictures})
    assert "\n" not in str(caught.value) and "raw" in str(caught.value) and list(Path("packed").iterdir()) == []


HOSTILE = {
    "../A/1.png": "has a name that leads out of the archive",
    "A/../../1.png": "has a name that leads out of the archive",
    "/A/2.png": "has a name that leads out of the archive",
    "A/empty.png": "is empty",
}


@pytest.mark.parametrize("name", ["paired_folders", "unpaired_folders"])
def test_hostile_members_are_left_out_of_pairs_too(tmp_path: Path, name: str) -> None:
    members = {f"{side}/{number}.png": flat(number) for side in "AB" for number in range(3)}
    members |= dict.fromkeys(HOSTILE, flat(7)) | {"A/empty.png": b"", "B/empty.png": flat(8)}
    folder = write_folder(tmp_path / "hostile", members, name)
    pack(Data(name=name, size=SIZE), folder, Path("packed"), workers=1)
    packed, found = Packed.open(Path("packed/data.h5")), quarantine()
    assert HOSTILE.items() <= found.items()
    if name == "paired_folders":
        assert found.pop("B/empty.png") == "has a partner that cannot be used"
        assert values(packed, "a") == values(packed, "b") == [0, 1, 2]
    else:
        assert values(packed, "a") == [0, 1, 2] and values(packed, "b") == [0, 1, 2, 8]
    assert found == HOSTILE


def test_any_number_of_processes_gives_the_same_bytes() -> None:
    pictures = {f"{side}/{number:03d}.jpg": jpeg(20 + number % 3, 24, number) for side in "AB" for number in range(150)}
    pictures |= {"A/007.jpg": b"", "B/100.jpg": b"text"}
    packed = packed_of("paired_folders", pictures)
    assert packed.count("items") == 148
    pack(Data(name="paired_folders", size=SIZE), Path("raw"), Path("again"), workers=3)
    for path in Path("packed").iterdir():
        assert path.read_bytes() == Path("again", path.name).read_bytes()


@pytest.mark.parametrize("name", ["paired_folders", "unpaired_folders"])
def test_shards_split_the_rows_of_every_space(name: str) -> None:
    pictures = {f"trainA/{number:02d}.png": flat(number) for number in range(13)}
    pictures |= {f"trainB/{number:02d}.png": flat(100 + number) for number in range(13 if name[0] == "p" else 7)}
    pictures |= {"testA/1.png": flat(50), "testB/1.png": flat(150)}
    one = packed_of(name, pictures)
    pack(Data(name=name, size=SIZE, shards=3), Path("raw"), Path("shards"), workers=1)
    assert {path.name for path in Path("shards").iterdir()} == {*shard_names(3), "manifest.json", "preview.png"}
    many = Packed.open(Path("shards/data.h5"))
    many.verify()
    assert many.content_sha256 == one.content_sha256 and many.spec == one.spec and len(many.shards) == 3
    for space in one.spaces:
        counts = [shard.count(space) for shard in many.shards]
        assert sum(counts) == one.count(space) and max(counts) - min(counts) <= 1
        assert many.splits(space) == one.splits(space)
    for field in one.fields:
        assert np.array_equal(many.slice(field), one.slice(field))
    for ram_limit in (None, 0.0):
        left, right = (Sampler(packed, 1, flip=True, ram_limit=ram_limit).fetch(3, 40) for packed in (one, many))
        assert all(np.array_equal(left[field], right[field]) for field in one.fields)


def test_more_shards_than_rows_of_a_space_are_refused() -> None:
    pictures = {f"A/{number}.png": flat(number) for number in range(5)} | {"B/1.png": flat(1)}
    with pytest.raises(Exception, match="data.shards = 2 is more than the 1 rows of unpaired_folders in the space 'b'"):
        packed_of("unpaired_folders", pictures, shards=2)


def test_previews_show_pairs_side_by_side_and_spaces_one_below_the_other(tmp_path: Path) -> None:
    pixels = np.zeros((4, 70, 64, 1), np.uint8)
    write_set(tmp_path / "pair.h5", {"items": {"a": pixels, "b": pixels}})
    write_set(tmp_path / "apart.h5", {"a": {"a": pixels}, "b": {"b": pixels[:1]}})
    notes = np.random.default_rng(0).normal(size=(4, 100, 64)).astype(np.float32)
    write_set(tmp_path / "notes.h5", {"items": {"notes": notes}})
    write_set(tmp_path / "words.h5", {"items": {"caption": np.zeros((4, 5), np.int32)}})
    sizes = {}
    for name in ("pair", "apart", "notes", "words"):
        preview.draw_preview(Packed.open(tmp_path / f"{name}.h5"), tmp_path / f"{name}.png")
        sizes[name] = Image.open(tmp_path / f"{name}.png").size
    assert sizes["pair"] == (2 * 2 * 66, 2 * 72)
    assert sizes["apart"] == (2 * 66 + 2, (2 * 72 + 2) + (72 + 2))
    assert sizes["notes"] == (2 * 102 + 2, 2 * 66 + 2) and sizes["words"] == (64, 64)
    lines = preview.describe(Packed.open(tmp_path / "apart.h5"))
    assert "space a: 4 rows; splits: train 4" in lines and "space b: 1 rows; splits: train 1" in lines
