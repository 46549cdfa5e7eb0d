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
from data.packed_sets import about, write_set

from ganpipe.core.spec import DataSpec, Field
from ganpipe.data.packed.file import Packed, SpaceRows, write_packed
from ganpipe.errors import DataError

CLASSES = ("round", "édgy", "none of it")
FIELDS = {
    "image": Field(kind="image", shape=(3, 5, 7)),
    "label": Field(kind="label", shape=(), names=CLASSES),
}


def images(count: int = 20, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 5, 7, 3), np.uint8)
    return {"image": pixels, "label": rng.integers(0, 2, count, np.int64)}


def write(path: Path, blocks: list[dict[str, np.ndarray]], count: int = 20, fields=FIELDS, splits=None, **extra) -> str:
    return write_packed(path, about(**extra), fields, {"items": SpaceRows(count, blocks, splits)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "data.h5", [images()])
    return tmp_path / "data.h5"


def test_images_come_back(path: Path) -> None:
    packed, wanted = Packed.open(path), images()
    assert packed.spaces == ("items",) and packed.count("items") == 20 and list(packed.fields) == ["image", "label"]
    assert packed.row_bytes("items") == 5 * 7 * 3 + 8 and packed.nbytes == 20 * (5 * 7 * 3 + 8)
    rows = np.array([3, 3, 19, 0])
    for name in packed.fields:
        assert packed.slice(name).dtype == wanted[name].dtype and np.array_equal(packed.slice(name), wanted[name])
        assert np.array_equal(packed.read_rows(name, rows), wanted[name][rows])
        assert np.array_equal(packed.slice(name, range(4, 9)), wanted[name][4:9])
    assert packed.spec == DataSpec(name="a test", fields=FIELDS) and packed.mirrored == {"image"}
    assert packed.class_counts("label") == np.bincount(wanted["label"], minlength=3).tolist()
    assert packed.rows("train", "items") == range(20)
    packed.verify()


def test_every_kind_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "picture": rng.integers(0, 256, (9, 4, 6, 3), np.uint8),
        "vector": rng.normal(size=(9, 4)).astype(np.float32),
        "class": rng.integers(0, 2, 9),
        "traits": rng.integers(0, 2, (9, 2), np.uint8),
        "notes": rng.normal(size=(9, 5, 3)).astype(np.float32),
        "caption": rng.integers(0, 9, (9, 7)).astype(np.int32),
    }
    names = {"traits": ("Bald", "Young"), "notes": ("pitch", "length", "loudness"), "caption": tuple("abcdefghi")}
    packed = write_set(tmp_path / "v.h5", {"items": columns}, names)
    packed.verify()
    for name, values in columns.items():
        assert np.array_equal(packed.slice(name), values) and packed.slice(name).dtype == values.dtype
        assert packed.fields[name].names == names.get(name, ("0", "1") if name == "class" else ())
    shapes = {name: field.shape for name, field in packed.fields.items()}
    assert shapes == {
        "picture": (3, 4, 6), "vector": (4,), "class": (), "traits": (2,), "notes": (5, 3), "caption": (7,)
    }  # fmt: skip
    assert packed.class_counts("vector") == [] and packed.mirrored == {"picture"}


def test_row_numbers_come_back(tmp_path: Path) -> None:
    fields = {"row_a": Field(kind="row", shape=())}
    write(tmp_path / "r.h5", [{"row_a": np.array([7, -1, 2**40])}], 3, fields)
    assert Packed.open(tmp_path / "r.h5").slice("row_a").tolist() == [7, -1, 2**40]


def test_what_is_read_is_a_copy(path: Path) -> None:
    packed = Packed.open(path)
    for copy in (packed.slice("image"), packed.read_rows("image", np.arange(20))):
        copy[:] = 0
    packed.verify()
    assert packed.slice("image").any()


def test_a_file_cut_while_it_is_read_is_named(path: Path) -> None:
    packed = Packed.open(path)
    os.truncate(path, path.stat().st_size // 2)
    for read in (lambda: packed.slice("image"), lambda: packed.read_ranges("image", [range(15, 20), range(5)])):
        with pytest.raises(DataError, match=r"data.h5: damaged \(it ends too early\); run `dvc repro pack`"):
            read()


def test_ranges_are_read_in_the_order_asked_for(path: Path) -> None:
    ranges = [range(15, 20), range(3), range(7, 7), range(2, 9)]
    for name, wanted in images().items():
        rows = np.concatenate([np.arange(one.start, one.stop) for one in ranges])
        assert np.array_equal(Packed.open(path).read_ranges(name, ranges), wanted[rows])


def test_attributes_tell_what_it_is(path: Path) -> None:
    attributes = Packed.open(path).attributes
    assert attributes["schema"] == "ganpipe/2" and "versions" not in attributes
    assert [attributes[name] for name in ("source", "licence", "citation")] == ["a source", "CC0", "nobody"]
    with h5py.File(path) as file:
        label, group = dict(file["items/label"].attrs), dict(file["items"].attrs)
        assert file["items/image"].attrs["flip"] == b"mirror"
    assert (label["kind"], json.loads(label["names"]), label["flip"]) == (b"label", list(CLASSES), b"keep")
    assert group["count"] == 20 and json.loads(group["splits"]) == {"train": [0, 20]}


def test_further_attributes_are_kept_but_rule_nothing(tmp_path: Path) -> None:
    more = replace(about(), extra={"outputs": '{"image": "b"}', "schema": "mine"})
    rows = {"items": SpaceRows(20, [images()])}
    assert write_packed(tmp_path / "x.h5", more, FIELDS, rows) == write(tmp_path / "y.h5", [images()])
    attributes = Packed.open(tmp_path / "x.h5").attributes
    assert attributes["outputs"] == '{"image": "b"}' and attributes["schema"] == "ganpipe/2"


def test_columns_are_plain_bytes_at_an_aligned_offset(path: Path) -> None:
    content = path.read_bytes()
    with h5py.File(path) as file:
        for name, wanted in images().items():
            dataset = file[f"items/{name}"]
            offset = dataset.id.get_offset()
            assert dataset.chunks is None and dataset.compression is None and offset % 8 == 0
            assert content[offset : offset + wanted.nbytes] == wanted.tobytes()


def test_streaming_and_repeating_give_the_same_bytes(tmp_path: Path) -> None:
    whole = images(3000)
    blocks = [{name: rows[start : start + 701] for name, rows in whole.items()} for start in range(0, 3000, 701)]
    first = write(tmp_path / "first.h5", [whole], 3000)
    time.sleep(1.1)  # HDF5 times have a resolution of a second
    second = write(tmp_path / "second.h5", blocks, 3000)
    assert first == second
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()


def test_the_content_hash_is_of_the_content_alone(tmp_path: Path) -> None:
    def hashed(columns: dict[str, np.ndarray] | None = None, fields=FIELDS, stop: int = 20, **extra: str) -> str:
        return write(tmp_path / "x.h5", [columns or images()], 20, fields, {"train": (0, stop)}, **extra)

    base = hashed()
    assert hashed(name="other", transform="none") == base
    pixels, labels = images()["image"], images()["label"]
    turned = FIELDS | {"image": Field(kind="image", shape=(3, 7, 5))}
    classes = FIELDS | {"label": Field(kind="label", shape=(), names=("a", "b", "c"))}
    others = [
        hashed(images() | {"image": np.bitwise_xor(pixels, np.eye(1, 3, dtype=np.uint8)[0])}),
        hashed(images() | {"image": pixels.reshape(20, 7, 5, 3)}, turned),
        hashed(images() | {"label": labels[::-1].copy()}),
        hashed(fields=classes),
        hashed(stop=19),
        hashed({"image": pixels, "class": labels}, {"image": FIELDS["image"], "class": FIELDS["label"]}),
        hashed({"image": pixels, "label": labels}, FIELDS | {"label": Field(kind="row", shape=(), names=CLASSES)}),
    ]
    assert len({base, *others}) == 8


def test_splits_are_ranges_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    write(path, [images()], splits={"train": (0, 15), "test": (15, 20)})
    packed = Packed.open(path)
    assert packed.rows("test", "items") == range(15, 20) and packed.splits("items")["train"] == range(15)
    assert np.array_equal(packed.slice("label", packed.rows("test", "items")), images()["label"][15:])
    with pytest.raises(DataError, match="the space 'items' has no split 'valid', only test, train"):
        packed.rows("valid", "items")
    write(path, [images()], splits={"train": (0, 21)})
    with pytest.raises(DataError, match="do not fit 20 rows of the space 'items'"):
        Packed.open(path)


def test_a_reader_can_be_pickled(path: Path) -> None:
    packed = Packed.open(path)
    unread = pickle.dumps(packed)
    packed.read_rows("image", np.array([1]))
    assert len(pickle.dumps(packed)) == len(unread)  # no rows travel
    assert np.array_equal(pickle.loads(pickle.dumps(packed)).slice("image"), images()["image"])


def test_a_chunked_copy_reads_the_same(path: Path, tmp_path: Path) -> None:
    with h5py.File(path) as file, h5py.File(tmp_path / "chunked.h5", "w") as copy:
        copy.attrs.update(file.attrs)
        group = copy.create_group("items")
        group.attrs.update(file["items"].attrs)
        for name in ("image", "label"):
            dataset = group.create_dataset(name, data=file[f"items/{name}"][:], chunks=True, compression="gzip")
            dataset.attrs.update(file[f"items/{name}"].attrs)
    packed = Packed.open(tmp_path / "chunked.h5")
    packed.verify()
    rows = np.array([7, 2, 2])
    assert np.array_equal(packed.read_rows("image", rows), images()["image"][rows])
    assert np.array_equal(packed.slice("label", range(3, 6)), images()["label"][3:6])


@pytest.mark.parametrize("keep", [0, 1, 8, 100, 0.3, 0.7, -1])
def test_a_truncated_file_is_found_out(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=r"(truncated or damaged|is no HDF5 file).*run `dvc repro sample`") as caught:
        Packed.open(path, advice="run `dvc repro sample`")
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def everything(packed: Packed) -> tuple[object, ...]:
    packed.verify()
    splits = {space: packed.splits(space) for space in packed.spaces}
    counts = packed.class_counts("label")
    return packed.attributes, packed.fields, splits, counts, *(packed.slice(name).tobytes() for name in packed.fields)


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
    for schema in ("ganpipe/1", "other/2"):
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file.attrs["schema"] = schema
            file.create_group("items")["image"] = np.zeros((2, 3, 3, 1), np.uint8)
        with pytest.raises(DataError, match=f"schema '{schema}' is not 'ganpipe/2'; run `dvc repro pack`"):
            Packed.open(tmp_path / "other.h5")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file.attrs["schema"] = "ganpipe/2"
    with pytest.raises(DataError, match="damaged"):
        Packed.open(tmp_path / "bare.h5")


def test_fields_that_contradict_each_other_are_found_out(path: Path) -> None:
    def label_of(values: np.ndarray) -> None:
        with h5py.File(path, "r+") as file:
            attributes = dict(file["items/label"].attrs)
            del file["items/label"]
            file["items/label"] = values
            file["items/label"].attrs.update(attributes)

    label_of(np.zeros(19, np.int64))
    with pytest.raises(DataError, match="20 rows of the space 'items' announced"):
        Packed.open(path)
    label_of(np.zeros(20, np.int32))
    with pytest.raises(DataError, match="field /items/label of kind label holds int32"):
        Packed.open(path)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_without_a_class_is_refused(tmp_path: Path, label: int) -> None:
    block = images() | {"label": np.full(20, label)}
    with pytest.raises(DataError, match=f"label {label} stands for none of its 3 classes"):
        write(tmp_path / "x.h5", [block])
    assert list(tmp_path.iterdir()) == []


def spoilt_blocks() -> dict[str, list[dict[str, np.ndarray]]]:
    good = images(10)
    return {
        "too few rows": [good],
        "too many rows": [good, good, good],
        "no rows": [],
        "a field less": [good, {"image": good["image"]}],
        "a field more": [good, good | {"vector": np.zeros((10, 2), np.float32)}],
        "unequal lengths": [good, good | {"label": good["label"][:4]}],
        "another shape": [good, good | {"image": good["image"][:, :4]}],
        "floats": [good | {"image": good["image"].astype(np.float32)}] * 2,
        "no channels": [good | {"image": good["image"][..., 0]}] * 2,
    }


@pytest.mark.parametrize("case", spoilt_blocks())
def test_blocks_that_do_not_fit_leave_no_file(tmp_path: Path, case: str) -> None:
    with pytest.raises(ValueError):
        write(tmp_path / "x.h5", spoilt_blocks()[case])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "spaces"),
    [
        ({"a/b": FIELDS["image"]}, {"items"}),
        ({"": FIELDS["image"]}, {"items"}),
        ({"image": FIELDS["image"]}, {"a"}),
        ({"image": FIELDS["image"]}, {"items", "b"}),
        ({"traits": Field(kind="attributes", shape=(2,), names=("one",))}, {"items"}),
    ],
)
def test_fields_and_spaces_that_do_not_fit_leave_no_file(tmp_path: Path, fields, spaces: set[str]) -> None:
    with pytest.raises(ValueError):
        write_packed(tmp_path / "x.h5", about(), fields, {space: SpaceRows(0, []) for space in spaces})
    assert list(tmp_path.iterdir()) == []
