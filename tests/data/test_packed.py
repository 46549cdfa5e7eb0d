"""The packed file: round trips, the same bytes every time, damage found, the layout a memory map needs."""

from __future__ import annotations

import json
import os
import pickle
import random
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ganpipe.core.batch import DataSpec
from ganpipe.data.packed.file import About, Packed, write_packed
from ganpipe.errors import DataError

ABOUT = About("shapes", "image", "a test", "CC0", "nobody", "none", ("round", "édgy", "none of it"))
VECTORS = About("numbers", "vector", "a test", "CC0", "nobody", "none")


def images(count: int = 20, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 5, 7, 3), np.uint8)
    return {"image": pixels, "label": rng.integers(0, 2, count, np.int64)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_packed(tmp_path / "data.h5", ABOUT, 20, [images()])
    return tmp_path / "data.h5"


def test_images_come_back(path: Path) -> None:
    packed, wanted = Packed.open(path), images()
    assert len(packed) == 20 and packed.roles == ("image", "label") and packed.nbytes == 20 * (5 * 7 * 3 + 8)
    rows = np.array([3, 3, 19, 0])
    for role in packed.roles:
        assert packed.all(role).dtype == wanted[role].dtype and np.array_equal(packed.all(role), wanted[role])
        assert np.array_equal(packed.read(rows, role), wanted[role][rows])
        assert np.array_equal(packed.all(role, range(4, 9)), wanted[role][4:9])
    assert packed.spec == DataSpec(name="shapes", kind="image", shape=(3, 5, 7), classes=ABOUT.classes)
    assert packed.class_counts == np.bincount(wanted["label"], minlength=3).tolist()
    assert list(packed.rows("train")) == list(range(20))
    packed.verify()


def test_vectors_come_back(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    write_packed(tmp_path / "v.h5", VECTORS, 9, [{"vector": vectors}])
    packed = Packed.open(tmp_path / "v.h5")
    packed.verify()
    assert np.array_equal(packed.all("vector"), vectors)
    assert packed.spec == DataSpec(name="numbers", kind="vector", shape=(4,)) and packed.class_counts == []


def test_what_is_read_is_a_copy(path: Path) -> None:
    packed = Packed.open(path)
    for copy in (packed.all("image"), packed.read(np.arange(20), "image")):
        copy[:] = 0
    packed.verify()
    assert packed.all("image").any()


def test_a_file_cut_while_it_is_read_is_named(path: Path) -> None:
    packed = Packed.open(path)
    os.truncate(path, path.stat().st_size // 2)
    for read in (lambda: packed.all("image"), lambda: packed.gather("image", [range(15, 20), range(5)])):
        with pytest.raises(DataError, match=r"data.h5: damaged \(it ends too early\); run `dvc repro pack`"):
            read()


def test_ranges_are_gathered_in_the_order_asked_for(path: Path) -> None:
    pieces = [range(15, 20), range(3), range(7, 7), range(2, 9)]
    for role, wanted in images().items():
        rows = np.concatenate([np.arange(piece.start, piece.stop) for piece in pieces])
        assert np.array_equal(Packed.open(path).gather(role, pieces), wanted[rows])


def test_attributes_tell_what_it_is(path: Path) -> None:
    attributes = Packed.open(path).attributes
    assert attributes["schema"] == "ganpipe/1" and attributes["count"] == 20
    assert {attributes[name] for name in ("source", "licence", "citation")} == {"a test", "CC0", "nobody"}
    assert json.loads(attributes["classes"]) == list(ABOUT.classes)
    assert set(json.loads(attributes["versions"])) == {"ganpipe", "h5py", "numpy", "pillow"}


def test_columns_are_plain_bytes_at_an_aligned_offset(path: Path) -> None:
    content = path.read_bytes()
    with h5py.File(path) as file:
        for role, wanted in images().items():
            dataset = file[f"items/{role}"]
            offset = dataset.id.get_offset()
            assert dataset.chunks is None and dataset.compression is None and offset % 8 == 0
            assert content[offset : offset + wanted.nbytes] == wanted.tobytes()


def test_streaming_and_repeating_give_the_same_bytes(tmp_path: Path) -> None:
    whole = images(3000)
    blocks = ({role: rows[start : start + 701] for role, rows in whole.items()} for start in range(0, 3000, 701))
    first = write_packed(tmp_path / "first.h5", ABOUT, 3000, [whole])
    time.sleep(1.1)  # HDF5 times have a resolution of a second
    second = write_packed(tmp_path / "second.h5", ABOUT, 3000, blocks)
    assert first == second
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()


def test_the_content_hash_is_of_the_content_alone(tmp_path: Path) -> None:
    def hashed(about: About = ABOUT, stop: int = 20, **columns: np.ndarray) -> str:
        return write_packed(tmp_path / "x.h5", about, 20, [images() | columns], splits={"train": (0, stop)})

    base = hashed()
    assert hashed(replace(ABOUT, source="elsewhere", licence="MIT", name="other")) == base
    pixels = images()["image"]
    others = [
        hashed(image=np.bitwise_xor(pixels, np.eye(1, 3, dtype=np.uint8)[0])),
        hashed(image=pixels.reshape(20, 7, 5, 3)),
        hashed(label=images()["label"][::-1].copy()),
        hashed(replace(ABOUT, classes=("a", "b", "c"))),
        hashed(stop=19),
    ]
    assert len({base, *others}) == 6


def test_splits_are_ranges_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    write_packed(path, ABOUT, 20, [images()], splits={"train": (0, 15), "test": (15, 20)})
    packed = Packed.open(path)
    assert packed.rows("test") == range(15, 20)
    assert np.array_equal(packed.all("label", packed.rows("test")), images()["label"][15:])
    with pytest.raises(DataError, match="no split 'valid', only test, train"):
        packed.rows("valid")
    write_packed(path, ABOUT, 20, [images()], splits={"train": (0, 21)})
    with pytest.raises(DataError, match="do not fit 20 rows"):
        Packed.open(path)


def test_a_reader_can_be_pickled(path: Path) -> None:
    packed = Packed.open(path)
    unread = pickle.dumps(packed)
    packed.read(np.array([1]), "image")
    assert len(pickle.dumps(packed)) == len(unread)  # no rows travel
    assert np.array_equal(pickle.loads(pickle.dumps(packed)).all("image"), images()["image"])


def test_a_chunked_copy_reads_the_same(path: Path, tmp_path: Path) -> None:
    with h5py.File(path) as file, h5py.File(tmp_path / "chunked.h5", "w") as copy:
        copy.attrs.update(file.attrs)
        group = copy.create_group("items")
        group.attrs.update(file["items"].attrs)
        for role in ("image", "label"):
            group.create_dataset(role, data=file[f"items/{role}"][:], chunks=True, compression="gzip")
    packed = Packed.open(tmp_path / "chunked.h5")
    packed.verify()
    rows = np.array([7, 2, 2])
    assert np.array_equal(packed.read(rows, "image"), images()["image"][rows])
    assert np.array_equal(packed.all("label", range(3, 6)), images()["label"][3:6])


@pytest.mark.parametrize("keep", [0, 1, 8, 100, 0.3, 0.7, -1])
def test_a_truncated_file_is_found_out(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match="truncated or damaged .*run `dvc repro sample`") as caught:
        Packed.open(path, advice="run `dvc repro sample`")
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def everything(packed: Packed) -> tuple[object, ...]:
    packed.verify()
    return packed.attributes, packed.splits, *(packed.all(role).tobytes() for role in packed.roles)


def test_no_flipped_bit_goes_unnoticed(path: Path) -> None:
    """Every flip is an error, or changes nothing that can be read: in the gaps between the parts."""
    content, wanted = path.read_bytes(), everything(Packed.open(path))
    used = [position for position, byte in enumerate(content) if byte]
    caught = 0
    for position in random.Random(0).sample(used, 250):
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        try:
            assert everything(Packed.open(path)) == wanted
        except DataError as error:
            assert "\n" not in str(error)
            caught += 1
    assert caught > 235


def test_a_missing_file_and_another_schema_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none.h5: no such file; run `dvc repro pack`"):
        Packed.open(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["schema"] = "other/2"
    with pytest.raises(DataError, match="schema 'other/2' is not 'ganpipe/1'"):
        Packed.open(tmp_path / "other.h5")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file.attrs["schema"] = "ganpipe/1"
    with pytest.raises(DataError, match="damaged"):
        Packed.open(tmp_path / "bare.h5")


def test_columns_that_contradict_each_other_are_found_out(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["items/label"]
        file["items/label"] = np.zeros(19, np.int64)
    with pytest.raises(DataError, match="20 rows of kind 'image' announced"):
        Packed.open(path)
    with h5py.File(path, "r+") as file:
        del file["items/label"]
        file["items/label"] = np.zeros(20, np.int32)
    with pytest.raises(DataError, match="role label holds int32"):
        Packed.open(path)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_without_a_class_is_refused(tmp_path: Path, label: int) -> None:
    block = images() | {"label": np.full(20, label)}
    with pytest.raises(DataError, match=f"label {label} stands for none of its 3 classes"):
        write_packed(tmp_path / "x.h5", ABOUT, 20, [block])
    assert list(tmp_path.iterdir()) == []


def spoilt_blocks() -> dict[str, list[dict[str, np.ndarray]]]:
    good = images(10)
    return {
        "too few rows": [good],
        "too many rows": [good, good, good],
        "no rows": [],
        "a role less": [good, {"image": good["image"]}],
        "unequal lengths": [good, good | {"label": good["label"][:4]}],
        "another shape": [good, good | {"image": good["image"][:, :4]}],
        "floats": [good | {"image": good["image"].astype(np.float32)}] * 2,
        "no channels": [good | {"image": good["image"][..., 0]}] * 2,
    }


@pytest.mark.parametrize("case", spoilt_blocks())
def test_blocks_that_do_not_fit_leave_no_file(tmp_path: Path, case: str) -> None:
    with pytest.raises(ValueError):
        write_packed(tmp_path / "x.h5", ABOUT, 20, spoilt_blocks()[case])
    assert list(tmp_path.iterdir()) == []
