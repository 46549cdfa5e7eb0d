"""`pack`: the published values in the published order, the same bytes every time, wrong rows named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganpipe import pictures
from ganpipe.config import Data
from ganpipe.data.catalogue.sets import DIGITS, PATTERN
from ganpipe.data.download.stage import SOURCE, download
from ganpipe.data.pack import stage as packing
from ganpipe.data.pack import tables
from ganpipe.data.pack.arrays import read_arrays
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.left_out import Quarantine
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError, DataError
from ganpipe.files import read_sealed

CSV = DIGITS.files[0].name
NPY = PATTERN.files[0].name
OUTPUTS = ["data.h5", "manifest.json", "preview.png"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for name in ("digits", "pattern"):
        download(Data(name=name), folder / name)
    return folder


@pytest.fixture(scope="module")
def packed_digits(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    packing.pack(Data(name="digits"), raw / "digits", folder)
    return folder


def test_digits_are_the_published_values_in_order(raw: Path, packed_digits: Path) -> None:
    packed = Packed.open(packed_digits / "data.h5")
    packed.verify()
    assert (
        packed.count("items") == 5000
        and packed.fields["image"].shape == (1, 28, 28)
        and packed.class_counts("label") == [500] * 10
    )
    text = gzip.decompress((raw / "digits" / CSV).read_bytes()).decode()
    rows = list(csv.reader(io.StringIO(text)))
    for number in range(0, 5000, 613):
        *pixels, label = map(int, rows[number])
        assert packed.slice("image")[number].reshape(-1).tolist() == pixels
        assert packed.slice("label")[number] == label
    assert np.array_equal(packed.slice("label"), [int(row[-1]) for row in rows])


def test_provenance_reaches_the_packed_file(raw: Path, packed_digits: Path) -> None:
    attributes = Packed.open(packed_digits / "data.h5").attributes
    assert json.loads(attributes["source"]) == read_sealed(raw / "digits" / SOURCE)
    assert "LeCun" in attributes["citation"] and attributes["licence"] == DIGITS.licence


def test_manifest_says_what_the_file_holds(packed_digits: Path) -> None:
    manifest = json.loads((packed_digits / "manifest.json").read_text())
    assert manifest == {
        "name": "digits",
        "fields": {
            "image": {"kind": "image", "shape": [1, 28, 28], "names": [], "space": "items"},
            "label": {"kind": "label", "shape": [], "names": list("0123456789"), "space": "items"},
        },
        "spaces": {"items": {"count": 5000, "splits": {"train": [0, 5000]}}},
        "class_counts": {"label": [500] * 10},
        "left_out": 0,
        "content_sha256": "2ed1e046db5477a742d37b07b5c444791db7d776b154827e43a313f0ee6246fe",
        "shards": [],
    }
    assert list(manifest) == sorted(manifest)


def test_preview_is_a_shuffled_grid(packed_digits: Path) -> None:
    """64 digits, three times as large, each over the name of its class (12 pixels) and with a rim of one pixel."""
    packed = Packed.open(packed_digits / "data.h5")
    shown = np.asarray(Image.open(packed_digits / "preview.png"))
    cell = 28 * 3 + 2
    assert shown.shape == (8 * (cell + 12), 8 * cell, 3)
    images = {image.tobytes(): number for number, image in enumerate(packed.slice("image"))}
    corners = [(y, x) for y in range(1, 8 * (cell + 12), cell + 12) for x in range(1, 8 * cell, cell)]
    tiles = [shown[y : y + 84 : 3, x : x + 84 : 3, :1] for y, x in corners]
    rows = [images[np.ascontiguousarray(tile).tobytes()] for tile in tiles]
    assert len(set(rows)) == 64 and rows != sorted(rows)
    assert len(set(packed.slice("label")[rows])) == 10


def test_pattern_is_packed_as_vectors(raw: Path, tmp_path: Path) -> None:
    packing.pack(Data(name="pattern"), raw / "pattern", tmp_path)
    packed = Packed.open(tmp_path / "data.h5")
    packed.verify()
    assert list(packed.fields) == ["vector"] and packed.fields["vector"].shape == (4,)
    assert np.array_equal(packed.slice("vector"), np.load(raw / "pattern" / NPY))
    heat = np.asarray(Image.open(tmp_path / "preview.png"))
    assert heat.shape == (512, 128) and heat[:, :32].min() >= 204 and heat[:, 32:64].max() <= 51


@pytest.mark.parametrize("name", ["digits", "pattern"])
def test_packing_twice_gives_the_same_bytes(raw: Path, tmp_path: Path, name: str) -> None:
    for folder in ("first", "second"):
        packing.pack(Data(name=name), raw / name, tmp_path / folder)
        time.sleep(0.6)
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == OUTPUTS
    for output in OUTPUTS:
        assert (tmp_path / "first" / output).read_bytes() == (tmp_path / "second" / output).read_bytes()


def test_a_recompressed_copy_has_the_same_content_hash(raw: Path, packed_digits: Path, tmp_path: Path) -> None:
    plain = gzip.decompress((raw / "digits" / CSV).read_bytes())
    (tmp_path / CSV).write_bytes(gzip.compress(plain, 1))
    download(Data(name="digits", source=str(tmp_path)), tmp_path / "raw")
    packing.pack(Data(name="digits"), tmp_path / "raw", tmp_path / "packed")
    assert (tmp_path / "packed" / "manifest.json").read_bytes() == (packed_digits / "manifest.json").read_bytes()


def line_changed(number: int, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    def spoil(plain: bytes) -> bytes:
        lines = plain.split(b"\n")
        lines[number - 1] = b",".join(change(lines[number - 1].split(b",")))
        return gzip.compress(b"\n".join(lines), 1)

    return spoil


def column_set(column: int, value: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda fields: [value if at == column - 1 else field for at, field in enumerate(fields)]


def unreadable(text: str, row: int, column: int) -> str:
    return rf"could not convert string '{text}' to int64 at row {row}, column {column} \(rows are counted from 0\)"


WRONG_DIGITS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda plain: b"", "holds 0 rows instead of 5000"),
    "HTML": (lambda plain: b"<html>quota</html>", "cannot be read as gzip: Not a gzipped file"),
    "truncated gzip": (lambda plain: gzip.compress(plain, 1)[:-900], "cannot be read as gzip: .*ended before"),
    "damaged gzip": (lambda plain: gzip.compress(plain, 1)[:5000] + b"\0" * 99, "cannot be read as gzip"),
    "a bomb": (lambda plain: gzip.compress(b"0" * 10**8, 1), "holds 1 rows instead of 5000"),
    "row missing": (lambda plain: gzip.compress(plain[: plain.rindex(b"\n", 0, -1)], 1), "holds 4999 rows"),
    "row narrower": (line_changed(3, lambda fields: fields[1:]), "row 3 has 784 columns instead of 785"),
    "row wider": (line_changed(5000, lambda fields: [b"7", *fields]), "row 5000 has 786 columns instead of 785"),
    "row empty": (line_changed(17, lambda fields: []), "row 17 has 1 columns instead of 785"),
    "pixel 256": (line_changed(9, column_set(2, b"256")), "row 9 has 256 in column 2, which is no pixel 0..255"),
    "pixel -1": (line_changed(9, column_set(784, b"-1")), "row 9 has -1 in column 784, which is no pixel"),
    "pixel 1000": (line_changed(1, column_set(1, b"1000")), "row 1 has 1000 in column 1, which is no pixel"),
    "pixel not whole": (
        line_changed(40, column_set(7, b"1.5")),
        unreadable("1.5", 39, 7),
    ),
    "pixel a word": (
        line_changed(40, column_set(7, b"\xffblack")),
        unreadable(".black", 39, 7),
    ),
    "pixel missing": (line_changed(40, column_set(7, b"")), unreadable("", 39, 7)),
    "label 11": (line_changed(4999, column_set(785, b"11")), "row 4999 has the label 11, not one of 0..9"),
    "label -1": (line_changed(2, column_set(785, b"-1")), "row 2 has the label -1, not one of"),
    "label a letter": (line_changed(2, column_set(785, b"O")), unreadable("O", 1, 785)),
}


@pytest.mark.parametrize("case", WRONG_DIGITS)
def test_wrong_digits_are_refused(raw: Path, tmp_path: Path, case: str) -> None:
    spoil, problem = WRONG_DIGITS[case]
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / SOURCE).write_bytes((raw / "digits" / SOURCE).read_bytes())
    (folder / CSV).write_bytes(spoil(gzip.decompress((raw / "digits" / CSV).read_bytes())))
    refused("digits", folder, tmp_path / "packed", f"{CSV}: {problem}")


WRONG_PATTERNS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "a row less": (lambda good: good[1:], r"holds float32 \(9999, 4\) instead of float32 \(10000, 4\)"),
    "a number less": (lambda good: good[:, 1:], r"holds float32 \(10000, 3\) instead"),
    "float64": (lambda good: good.astype(np.float64), "holds float64"),
    "not finite": (lambda good: good * np.where(np.arange(10_000) == 6, np.nan, 1)[:, None].astype("f4"), "row 7 is"),
    "too large": (lambda good: good + (np.arange(10_000) == 3)[:, None].astype("f4"), "row 4 is .*, not numbers 0..1"),
    "objects": (lambda good: np.array([None, "x"], dtype=object), "cannot be read as NumPy array"),
}


@pytest.mark.parametrize("case", WRONG_PATTERNS)
def test_wrong_patterns_are_refused(raw: Path, tmp_path: Path, case: str) -> None:
    spoil, problem = WRONG_PATTERNS[case]
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / SOURCE).write_bytes((raw / "pattern" / SOURCE).read_bytes())
    np.save(folder / NPY, spoil(np.load(raw / "pattern" / NPY)))
    refused("pattern", folder, tmp_path / "packed", f"{NPY}: {problem}")


@pytest.mark.parametrize("keep", [0, 5, 90, 5000])
def test_a_truncated_pattern_is_refused(raw: Path, tmp_path: Path, keep: int) -> None:
    (tmp_path / SOURCE).write_bytes((raw / "pattern" / SOURCE).read_bytes())
    (tmp_path / NPY).write_bytes((raw / "pattern" / NPY).read_bytes()[:keep])
    refused("pattern", tmp_path, tmp_path / "packed", "cannot be read as NumPy array")


def declaring(shape: tuple[int, ...], held: int = 100) -> bytes:
    """Return a `.npy` that says it holds float32 of a shape, and holds a few bytes."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return out.getvalue() + bytes(held)


@pytest.mark.parametrize("shape", [(2**40, 4), (2**62, 2**62), (-4, -4), (26, 1)])
def test_arrays_that_declare_more_than_there_is_are_refused(raw: Path, tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / SOURCE).write_bytes((raw / "pattern" / SOURCE).read_bytes())
    (tmp_path / NPY).write_bytes(declaring(shape))
    refused("pattern", tmp_path, tmp_path / "packed", "it declares .* bytes, and holds 100")
    bad, seen = Quarantine(tmp_path, Data(name="folder")), Seen()
    with pytest.raises(DataError, match="it declares .* bytes, and holds 100"):
        read_arrays(tmp_path / NPY, bad, seen)
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w") as archive:
        archive.writestr("images.npy", declaring(shape))
    with pytest.raises(DataError, match="it declares .* bytes, and holds 100"):
        read_arrays(tmp_path / "arrays.npz", bad, seen)


def test_missing_and_foreign_raw_files_are_refused(raw: Path, tmp_path: Path) -> None:
    refused("digits", tmp_path, tmp_path / "packed", f"{SOURCE}: missing, so nothing")
    refused("pattern", raw / "digits", tmp_path / "packed", "holds the raw files of 'digits', not of 'pattern'")
    for name, file in (("digits", CSV), ("pattern", NPY)):
        (tmp_path / SOURCE).write_bytes((raw / name / SOURCE).read_bytes())
        refused(name, tmp_path, tmp_path / "packed", f"{file}: cannot be read as .*: No such file")
    (tmp_path / SOURCE).write_text('["digits"]')
    refused("digits", tmp_path, tmp_path / "packed", r"damaged \(it is no JSON object\)")


@pytest.mark.parametrize("damaged", [NPY, SOURCE])
def test_raw_files_that_are_not_those_of_the_download_are_refused(raw: Path, tmp_path: Path, damaged: str) -> None:
    for name in (NPY, SOURCE):
        (tmp_path / name).write_bytes((raw / "pattern" / name).read_bytes())
    values = np.load(tmp_path / NPY)
    if damaged == NPY:
        np.save(tmp_path / NPY, values[::-1])  # as good as the others
    else:
        (tmp_path / SOURCE).write_text((tmp_path / SOURCE).read_text().replace("u", "v", 1))
    refused("pattern", tmp_path, tmp_path / "packed", f"{damaged}: damaged")


def refused(name: str, raw: Path, into: Path, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        packing.pack(Data(name=name), raw, into)
    message = str(caught.value)
    assert "\n" not in message and message.endswith("run `dvc repro download`") and str(raw) in message
    assert not into.exists() or list(into.iterdir()) == []


def test_a_bomb_is_not_expanded_whole(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 10**6))
    assert len(tables.expanded(tmp_path / "bomb.gz", at_most=1000)) == 1000


def test_an_unknown_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'celebs' is unknown"):
        packing.pack(Data(name="celebs"), tmp_path, tmp_path / "packed")


def test_a_failure_at_the_very_end_leaves_nothing(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pictures, "save_png", full)
    with pytest.raises(OSError, match="no space left"):
        packing.pack(Data(name="pattern"), raw / "pattern", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_digits_are_parsed_fast(raw: Path) -> None:
    plain = gzip.decompress((raw / "digits" / CSV).read_bytes())
    start = time.process_time()
    tables.parse_digits(plain, DIGITS, Path(CSV))
    assert time.process_time() - start < 2
