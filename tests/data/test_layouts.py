"""Miniature raw files in the exact published layout: packed, read, sampled; tables that contradict are named by row."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import raw_files
import torch
from data.torchvision_pixels import torchvision_pixels
from PIL import Image
from raw_files import jpeg, labels102, signs, write_folder
from scipy.io import savemat

from ganpipe.config import Data
from ganpipe.data.catalogue.sets import CELEBA, FLOWERS102
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed import preview
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.sampler import Sampler
from ganpipe.errors import ConfigError, DataError

COUNT = 12
ATTRIBUTE_NAMES = CELEBA.names("attributes")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    raw_files.write_celeba(folder / "celeba", COUNT)
    raw_files.write_flowers(folder / "flowers")
    raw_files.write_flowers102(folder / "flowers102", COUNT)
    raw_files.write_idx(folder / "mnist")
    raw_files.write_idx(folder / "fashion-mnist", "fashion-mnist")
    return folder


def packed_of(raw: Path, into: Path, **params: object) -> Packed:
    pack(Data(name=raw.name, **params), raw, into)
    packed = Packed.open(into / "data.h5")
    packed.verify()
    return packed


def as_torchvision(content: bytes, crop: int, size: int) -> np.ndarray:
    return torchvision_pixels(Image.open(io.BytesIO(content)).convert("RGB"), crop, size)


def test_celeba(raw: Path, tmp_path: Path) -> None:
    packed = packed_of(raw / "celeba", tmp_path)
    assert packed.fields["image"].shape == (3, 64, 64) and list(packed.fields) == ["attributes", "image"]
    assert packed.fields["attributes"].names == ATTRIBUTE_NAMES
    assert packed.splits("items") == {"train": range(8), "valid": range(8, 10), "test": range(10, 12)}
    assert np.array_equal(packed.slice("attributes"), (signs(COUNT) + 1) // 2)
    wanted = [as_torchvision(jpeg(178, 218, number), 178, 64) for number in range(COUNT)]
    assert np.array_equal(packed.slice("image"), wanted)
    sampler = Sampler(packed, seed=5, rows={"items": packed.rows("valid", "items")})
    batch = sampler.fetch(0, 3)
    rows = sampler.order("items", 0, 3)
    assert batch["attributes"].dtype == torch.float32
    assert np.array_equal(batch["attributes"].numpy(), packed.slice("attributes")[rows])
    assert batch["image"].shape == (3, 3, 64, 64) and abs(batch["image"]).max() <= 1


def test_celeba_at_the_crop_of_the_book(raw: Path, tmp_path: Path) -> None:
    packed = packed_of(raw / "celeba", tmp_path, crop=128)
    whole = np.asarray(Image.open(io.BytesIO(jpeg(178, 218, 3))))
    assert np.array_equal(packed.slice("image")[3], whole[45:173, 25:153])


def test_celeba_whole(raw: Path, tmp_path: Path) -> None:
    packed = packed_of(raw / "celeba", tmp_path / "published", crop="whole")
    published = [np.asarray(Image.open(io.BytesIO(jpeg(178, 218, number)))) for number in range(COUNT)]
    assert packed.fields["image"].shape == (3, 218, 178) and np.array_equal(packed.slice("image"), published)
    assert packed.attributes["transform"] == "whole picture, RGB"
    assert packed.fields["attributes"].names == ATTRIBUTE_NAMES
    for ram_limit in (None, 0.0):
        sampler = Sampler(packed, seed=5, flip=True, ram_limit=ram_limit)
        batch = sampler.fetch(0, 4)["image"]
        wanted = torch.tensor(np.stack(published)[sampler.order("items", 0, 4)]).permute(0, 3, 1, 2) / 127.5 - 1
        straight, mirrored = ((batch - images).abs().amax((1, 2, 3)) < 1e-6 for images in (wanted, wanted.flip(3)))
        assert batch.shape == (4, 3, 218, 178) and (straight ^ mirrored).all()
    smaller = packed_of(raw / "celeba", tmp_path / "smaller", crop="whole", size=64)
    assert smaller.fields["image"].shape == (3, 78, 64)  # 218 * 64 / 178 = 78.4
    assert np.array_equal(
        smaller.slice("image"), [torchvision_pixels(Image.fromarray(one), None, 64, whole=True) for one in published]
    )
    assert "image: images of 3 x 78 x 64 (channels x height x width)" in preview.describe(smaller)
    assert Image.open(tmp_path / "smaller/preview.png").size == (4 * (64 + 2) + 2, 3 * (78 + 2) + 2)
    preview.draw_preview(smaller, tmp_path / "look.png")


def test_whole_tables_are_as_stored(raw: Path, tmp_path: Path) -> None:
    plain = packed_of(raw / "mnist", tmp_path / "plain")
    assert packed_of(raw / "mnist", tmp_path / "whole", crop="whole").content_sha256 == plain.content_sha256


def test_whole_pictures_of_a_set_have_the_shape_of_the_first(tmp_path: Path) -> None:
    members = {"a/0.jpg": b"", "a/1.jpg": jpeg(30, 20), "a/2.jpg": jpeg(20, 30), "b/3.jpg": jpeg(30, 20, 1)}
    members |= {"b/4.jpg": jpeg(60, 40)}  # of the same proportions
    raw = write_folder(tmp_path / "folder", members)
    packed = packed_of(raw, tmp_path / "published", crop="whole")
    assert packed.fields["image"].shape == (3, 20, 30) and packed.class_counts("label") == [1, 1]
    assert (tmp_path / "published/quarantine.csv").read_text().splitlines() == [
        "name,reason",
        "a/0.jpg,is empty",
        "a/2.jpg,would be 20 x 30 pixels where the first image is 30 x 20",
        "b/4.jpg,would be 60 x 40 pixels where the first image is 30 x 20",
    ]
    packed = packed_of(raw, tmp_path / "resized", crop="whole", size=8)
    assert packed.fields["image"].shape == (3, 8, 12) and packed.class_counts("label") == [1, 2]
    problem = "a/2.jpg' would be 20 x 30 .*data.max_bad, or leave data.crop blank, which cuts squares"
    refused(raw, tmp_path / "packed", problem, crop="whole", max_bad=1)


def test_celeba_in_any_order_of_zip_and_rows(raw: Path, tmp_path: Path) -> None:
    straight = packed_of(raw / "celeba", tmp_path / "straight")
    mixed = tmp_path / "celeba"
    shutil.copytree(raw / "celeba", mixed)
    images = CELEBA.files[0].name
    with zipfile.ZipFile(raw / "celeba" / images) as old, zipfile.ZipFile(mixed / images, "w") as new:
        for name in sorted(old.namelist(), reverse=True):
            new.writestr(name, old.read(name))
    table = mixed / CELEBA.files[2].name
    table.write_text("\n".join(reversed(table.read_text().splitlines())))
    assert packed_of(mixed, tmp_path / "mixed").content_sha256 == straight.content_sha256


def test_flowers(raw: Path, tmp_path: Path) -> None:
    packed = packed_of(raw / "flowers", tmp_path)
    assert packed.fields["label"].names == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert packed.class_counts("label") == [4] * 5 and packed.slice("label").tolist() == sorted([0, 1, 2, 3, 4] * 4)
    wanted = [
        as_torchvision_short(jpeg(90 + 10 * at, 80, 40 + at), 64) for at in (0, 3, 2, 1)
    ]  # "1000" comes before "997"
    assert np.array_equal(packed.slice("image")[:4], wanted)
    batch = Sampler(packed, seed=0).fetch(0, 20)
    assert sorted(batch["label"].tolist()) == sorted([0, 1, 2, 3, 4] * 4)
    assert not (tmp_path / "quarantine.csv").exists()  # LICENSE.txt is no image


def as_torchvision_short(content: bytes, size: int) -> np.ndarray:
    return torchvision_pixels(Image.open(io.BytesIO(content)).convert("RGB"), None, size)


def test_flowers102(raw: Path, tmp_path: Path) -> None:
    packed = packed_of(raw / "flowers102", tmp_path)
    assert packed.fields["label"].names == FLOWERS102.names("label")
    assert {name: len(rows) for name, rows in packed.splits("items").items()} == {"train": 3, "valid": 3, "test": 6}
    numbers = [10, 11, 12, 7, 8, 9, 1, 2, 3, 4, 5, 6]  # by split, then by name
    assert np.array_equal(packed.slice("label"), labels102(COUNT)[np.array(numbers) - 1].astype(int) - 1)
    wanted = [as_torchvision_short(jpeg(80, 70, number), 64) for number in numbers]
    assert np.array_equal(packed.slice("image"), wanted)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx(raw: Path, tmp_path: Path, name: str) -> None:
    packed = packed_of(raw / name, tmp_path / "plain")
    assert packed.fields["image"].shape == (1, 28, 28) and packed.splits("items") == {
        "train": range(30),
        "test": range(30, 40),
    }
    assert packed.slice("image")[30:].mean() != packed.slice("image")[:10].mean()
    larger = packed_of(raw / name, tmp_path / "larger", size=32, channels=3)
    wanted = torchvision_pixels(Image.fromarray(packed.slice("image")[7, ..., 0]), None, 32, whole=True)
    assert np.array_equal(larger.slice("image")[7], np.repeat(wanted[..., None], 3, axis=2))
    assert np.array_equal(larger.slice("label"), packed.slice("label"))


def test_cifar10(tmp_path: Path) -> None:
    records = raw_files.write_cifar(tmp_path / "cifar10")
    packed = packed_of(tmp_path / "cifar10", tmp_path / "packed")
    assert packed.splits("items") == {"train": range(20), "test": range(20, 24)}
    assert packed.slice("label").tolist() == records[..., 0].ravel().tolist()
    planes = records.reshape(24, 3073)[17, 1:].reshape(3, 32, 32)
    assert np.array_equal(packed.slice("image")[17], planes.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda good: good[:-1], "data_batch_3.bin holds 12291 bytes, no multiple of 3073"),
        (lambda good: b"", "data_batch_3.bin holds 0 bytes"),
        (lambda good: b"\x0a" + good[1:], "row 1 has the label 10, not one of 0..9"),
    ],
)
def test_wrong_cifar_batches_are_refused(tmp_path: Path, spoil: Callable[[bytes], bytes], problem: str) -> None:
    raw_files.write_cifar(tmp_path / "cifar10", spoil=spoil)
    refused(tmp_path / "cifar10", tmp_path / "packed", problem)


def test_synthetic(tmp_path: Path) -> None:
    download(Data(name="synthetic"), tmp_path / "synthetic")
    packed = packed_of(tmp_path / "synthetic", tmp_path / "packed")
    assert packed.fields["image"].shape == (3, 32, 32) and packed.class_counts("label") == [500] * 4


def test_a_folder_of_subfolders_has_classes(tmp_path: Path) -> None:
    members = {"zebra/a.png": jpeg(seed=1), "ant/deep/er/b.JPG": jpeg(seed=2), "ant/c.jpg": jpeg(seed=3)}
    members |= {"ant/notes.txt": b"", ".hidden/x.jpg": jpeg(), "__MACOSX/ant/._c.jpg": b"\0", "ant/.c.jpg": b"\0"}
    packed = packed_of(write_folder(tmp_path / "folder", members), tmp_path / "packed")
    assert packed.fields["label"].names == ("ant", "zebra") and packed.slice("label").tolist() == [0, 0, 1]
    assert np.array_equal(
        packed.slice("image")[0], as_torchvision_short(jpeg(seed=3), 64)
    )  # c.jpg before deep/er/b.JPG


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    packed = packed_of(
        write_folder(tmp_path / "folder", {"b.jpg": jpeg(), "a.jpg": jpeg()}), tmp_path / "packed", size=8
    )
    assert list(packed.fields) == ["image"] and packed.fields["image"].shape == (3, 8, 8)


def test_the_order_of_the_archive_does_not_matter(tmp_path: Path) -> None:
    members = {f"{'ab'[at % 2]}/{at}.jpg": jpeg(seed=at) for at in range(9)}
    one = packed_of(write_folder(tmp_path / "1" / "folder", members), tmp_path / "one")
    mirrored = dict(reversed(members.items()))
    assert (
        one.content_sha256
        == packed_of(write_folder(tmp_path / "2" / "folder", mirrored), tmp_path / "two").content_sha256
    )


def test_images_beside_class_folders_are_left_out(tmp_path: Path) -> None:
    members = {"a/1.jpg": jpeg(), "2.jpg": jpeg(), "b/3.jpg": jpeg()}
    packed = packed_of(write_folder(tmp_path / "folder", members), tmp_path / "packed")
    assert packed.count("items") == 2 and packed.fields["label"].names == ("a", "b")
    assert (tmp_path / "packed/quarantine.csv").read_text() == "name,reason\n2.jpg,lies in no folder of a class\n"


def refused(raw: Path, into: Path, problem: str, **params: object) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        pack(Data(name=raw.name, **params), raw, into)
    assert "\n" not in str(caught.value) and str(raw) in str(caught.value)
    assert not into.exists() or list(into.iterdir()) == []


def lines(change: Callable[[list[str]], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        content = path.read_text().splitlines()
        change(content)
        path.write_text("\n".join(content) + "\n")

    return spoil


def put(row: int, text: Callable[[str], str]) -> Callable[[Path], None]:
    return lines(lambda content: content.__setitem__(row - 1, text(content[row - 1])))


ATTRIBUTES, PARTITION = CELEBA.files[1].name, CELEBA.files[2].name
WRONG_TABLES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "attributes: missing": (ATTRIBUTES, Path.unlink, f"{ATTRIBUTES}: cannot be read: No such file"),
    "attributes: empty": (
        ATTRIBUTES,
        lambda path: path.write_bytes(b""),
        "row 1 should be the number of images, got nothing",
    ),
    "attributes: HTML": (ATTRIBUTES, lambda path: path.write_text("<html>\nquota"), "row 1 should be .* got '<html>'"),
    "attributes: binary": (ATTRIBUTES, lambda path: path.write_bytes(b"\xff\xfe\0"), "is no text file"),
    "attributes: no count": (ATTRIBUTES, lines(lambda content: content.pop(0)), "row 1 should be the number of images"),
    "attributes: count": (ATTRIBUTES, put(1, lambda _: "13"), "row 1 announces 13 images, but 12 rows follow"),
    "attributes: row lost": (
        ATTRIBUTES,
        lines(lambda content: content.pop()),
        "announces 12 images, but 11 rows follow",
    ),
    "attributes: a name": (
        ATTRIBUTES,
        put(2, lambda row: row.replace("Bald", "Hairless")),
        "differing in Bald, Hairless",
    ),
    "attributes: a name less": (ATTRIBUTES, put(2, lambda row: row.replace(" Young", "")), "differing in Young"),
    "attributes: order": (ATTRIBUTES, put(2, lambda row: " ".join(sorted(row.split())[::-1])), "in another order"),
    "attributes: value less": (ATTRIBUTES, put(7, lambda row: row[:-3]), "row 7 has 39 attributes instead of 40"),
    "attributes: value more": (ATTRIBUTES, put(3, lambda row: row + "  1"), "row 3 has 41 attributes instead of 40"),
    "attributes: value 0": (
        ATTRIBUTES,
        put(9, lambda row: row[:-2] + " 0"),
        "row 9 has '0', which is neither 1 nor -1",
    ),
    "attributes: twice": (
        ATTRIBUTES,
        put(5, lambda row: row.replace("000003", "000001")),
        "row 5 is a second row for 000001",
    ),
    "attributes: stranger": (ATTRIBUTES, put(5, lambda row: row.replace("000003", "999")), "has no row for 000003.jpg"),
    "partition: missing": (PARTITION, Path.unlink, f"{PARTITION}: cannot be read"),
    "partition: value 3": (
        PARTITION,
        put(4, lambda row: row[:-1] + "3"),
        "row 4 should be an image and 0, 1 or 2, got '0",
    ),
    "partition: no value": (PARTITION, put(4, lambda row: row[:-2]), "row 4 should be an image and 0, 1 or 2"),
    "partition: row lost": (
        PARTITION,
        lines(lambda content: content.pop(2)),
        f"{PARTITION}: has no row for 000003.jpg",
    ),
    "partition: row more": (
        PARTITION,
        lines(lambda content: content.append("9.jpg 2")),
        f"{ATTRIBUTES}: has no row for 9.jpg",
    ),
    "partition: twice": (
        PARTITION,
        lines(lambda content: content.append(content[0])),
        "row 13 is a second row for 000001",
    ),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_wrong_tables_of_celeba_are_refused(raw: Path, tmp_path: Path, case: str) -> None:
    name, spoil, problem = WRONG_TABLES[case]
    shutil.copytree(raw / "celeba", tmp_path / "celeba")
    spoil(tmp_path / "celeba" / name)
    refused(tmp_path / "celeba", tmp_path / "packed", problem)


@pytest.mark.parametrize(
    ("more", "problem"),
    [(True, "'img_align_celeba/999.jpg' has no row in"), (False, "has no img_align_celeba/000001.jpg")],
)
def test_celeba_images_without_a_row_and_rows_without_an_image(
    raw: Path, tmp_path: Path, more: bool, problem: str
) -> None:
    shutil.copytree(raw / "celeba", tmp_path / "celeba")
    path = tmp_path / "celeba" / CELEBA.files[0].name
    with zipfile.ZipFile(path, "a" if more else "w") as archive:
        if more:
            archive.writestr("img_align_celeba/999.jpg", jpeg(178, 218))
    refused(tmp_path / "celeba", tmp_path / "packed", problem)


def sets(**changed: list[int]) -> Callable[[Path], None]:
    matrices = {"trnid": [12, 11, 10], "valid": [9, 8, 7], "tstid": [6, 5, 4, 3, 2, 1]} | changed
    return lambda folder: savemat(folder / "setid.mat", {name: np.array([ids]) for name, ids in matrices.items()})


def labels(*numbers: float) -> Callable[[Path], None]:
    return lambda folder: savemat(folder / "imagelabels.mat", {"labels": np.array([numbers])})


WRONG_MATRICES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file": (lambda folder: (folder / "setid.mat").unlink(), "setid.mat: cannot be read: No such file"),
    "garbage": (
        lambda folder: (folder / "setid.mat").write_bytes(b"MATLAB" * 99),
        "setid.mat: cannot be read as MATLAB",
    ),
    "empty": (
        lambda folder: (folder / "imagelabels.mat").write_bytes(b""),
        "imagelabels.mat: cannot be read as MATLAB",
    ),
    "no matrix": (lambda folder: savemat(folder / "imagelabels.mat", {"x": 1}), "holds no matrix 'labels'"),
    "in two splits": (sets(valid=[12, 8, 7]), "image 12 of valid is also in train"),
    "in no split": (sets(valid=[9, 8]), "image 7 is in none of trnid, valid and tstid"),
    "image 0": (sets(valid=[9, 8, 0]), "image 0 of valid is not one of 1..12"),
    "image 13": (sets(tstid=[13]), "image 13 of tstid is not one of 1..12"),
    "class 0": (labels(1, 2, 0), "row 3 has the class 0, not one of 1..102"),
    "class 103": (labels(1, 103), "row 2 has the class 103"),
    "class 1.5": (labels(1.5), "holds float64, no whole numbers"),
    "labels less": (labels(*range(1, 12)), "image 12 of trnid is not one of 1..11"),
}


@pytest.mark.parametrize("case", WRONG_MATRICES)
def test_wrong_matrices_of_flowers102_are_refused(raw: Path, tmp_path: Path, case: str) -> None:
    spoil, problem = WRONG_MATRICES[case]
    shutil.copytree(raw / "flowers102", tmp_path / "flowers102")
    spoil(tmp_path / "flowers102")
    refused(tmp_path / "flowers102", tmp_path / "packed", problem)


def test_flowers_in_a_foreign_folder_are_refused(tmp_path: Path) -> None:
    raw_files.write_source(tmp_path / "flowers", "flowers")
    archive = tmp_path / "flowers" / "flower_photos.tgz"
    raw_files.write_tar(archive, {"flower_photos/daisies/1.jpg": jpeg()})
    refused(tmp_path / "flowers", tmp_path / "packed", "lies in the folder of none of the classes daisy, dandelion")
    raw_files.write_tar(archive, {"photos/daisy/1.jpg": jpeg()})
    refused(tmp_path / "flowers", tmp_path / "packed", "does not lie in the folder 'flower_photos'")


IDX = {
    "cut header": ("train-images-idx3-ubyte.gz", lambda plain: plain[:9], "does not begin like an idx file"),
    "labels for images": (
        "train-images-idx3-ubyte.gz",
        lambda plain: b"\0\0\x08\x01" + plain[4:],
        "does not begin like",
    ),
    "a byte less": ("t10k-images-idx3-ubyte.gz", lambda plain: plain[:-1], "but holds 7839 instead of 7840"),
    "a byte more": ("t10k-labels-idx1-ubyte.gz", lambda plain: plain + b"\0", "but holds more instead of 10"),
    "a label less": (
        "t10k-labels-idx1-ubyte.gz",
        lambda plain: plain[:7] + b"\x09" + plain[8:-1],
        "holds 9 labels for 10",
    ),
    "label 10": ("t10k-labels-idx1-ubyte.gz", lambda plain: plain[:-1] + b"\x0a", "row 10 has the label 10"),
    "a bomb of a header": (
        "train-images-idx3-ubyte.gz",
        lambda plain: plain[:4] + b"\xff" * 12,
        "announces .* more than",
    ),
    "another shape": (
        "train-images-idx3-ubyte.gz",
        lambda plain: plain[:8] + b"\0\0\0\x0e\0\0\0\x38" + plain[16:],
        r"holds images of \(14, 56\), not \(28, 28\)",
    ),
}


@pytest.mark.parametrize("case", IDX)
def test_wrong_idx_files_are_refused(raw: Path, tmp_path: Path, case: str) -> None:
    name, spoil, problem = IDX[case]
    shutil.copytree(raw / "mnist", tmp_path / "mnist")
    path = tmp_path / "mnist" / name
    path.write_bytes(gzip.compress(spoil(gzip.decompress(path.read_bytes()))))
    refused(tmp_path / "mnist", tmp_path / "packed", problem)


def test_params_that_do_not_suit_a_set_are_refused(raw: Path, tmp_path: Path) -> None:
    download(Data(name="pattern"), tmp_path / "pattern")
    with pytest.raises(ConfigError, match="data.size is for images, but data.name = 'pattern' holds vectors"):
        pack(Data(name="pattern", size=8), tmp_path / "pattern", tmp_path / "packed")
    with pytest.raises(ConfigError, match="data.crop is for images, but data.name = 'pattern' holds vectors"):
        pack(Data(name="pattern", crop="whole"), tmp_path / "pattern", tmp_path / "packed")
    with pytest.raises(ConfigError, match="data.shards = 41 is more than the 40 rows of mnist"):
        pack(Data(name="mnist", shards=41), raw / "mnist", tmp_path / "packed")
    with pytest.raises(DataError, match="an image is 28 x 28 pixels, smaller than data.crop = 29"):
        pack(Data(name="mnist", crop=29), raw / "mnist", tmp_path / "packed")
    assert list((tmp_path / "packed").iterdir()) == []


def test_the_manifest_tells_what_was_packed(raw: Path, tmp_path: Path) -> None:
    packed_of(raw / "celeba", tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["fields"]["attributes"]["names"] == list(ATTRIBUTE_NAMES) and manifest["left_out"] == 0
    splits = {"train": [0, 8], "valid": [8, 10], "test": [10, 12]}
    assert manifest["spaces"] == {"items": {"count": 12, "splits": splits}} and manifest["class_counts"] == {}


def test_a_tar_of_another_kind_of_compression_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", {})
    (folder / "folder.tar").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99))  # zstd
    refused(folder, tmp_path / "packed", "folder.tar: cannot be read as an archive")
