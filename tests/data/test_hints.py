"""What looks wrong with pictures is said when they are packed, in one line, whatever the number of processes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_files import encoded, picture, write_folder, write_idx, write_source
from typer.testing import CliRunner

from ganpipe import paths
from ganpipe.cli import app
from ganpipe.config import Data
from ganpipe.data.pack.hints import Seen
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed

RNG = np.random.default_rng(0)
DARK = "so they are nearly black; multiply their values by"


def grey16(largest: int, format: str = "PNG") -> bytes:
    pixels = RNG.integers(0, largest, (40, 40), np.uint16)
    pixels[3, 5] = largest
    return encoded(Image.fromarray(pixels), format)


def colour16(largest: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads and does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = RNG.integers(0, largest, (40, 40, 3), np.uint16)
    pixels[3, 5, 1] = largest
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", 40, 40, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png(width: int = 40, height: int = 40, seed: int = 0) -> bytes:
    return encoded(picture(width, height, seed), "PNG")


def packed(folder: Path, pictures: list[bytes], workers: int | None = 1, **data: object) -> Packed:
    raw = write_folder(folder / "raw", {f"{n:04d}.png": content for n, content in enumerate(pictures)})
    pack(Data(name="folder", **{"size": 32, **data}), raw, folder / "packed", workers)
    return Packed.open(folder / "packed" / "data.h5")


@pytest.mark.parametrize(
    ("content", "largest", "factor"),
    [
        (grey16(4095), 4095, 16),
        (grey16(4095, "TIFF"), 4095, 16),
        (grey16(3000), 3000, 16),
        (grey16(1023), 1023, 64),
        (colour16(4095), 4095, 16),
    ],
)
def test_cameras_of_twelve_bits(
    content: bytes, largest: int, factor: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = packed(tmp_path, [png(), content, content])
    (line,) = found.hints
    assert line == (
        f"2 of 3 pictures have 16 bits a channel, but their largest value is {largest} of 65535, as from a camera of "
        f"fewer bits: the upper 8 bits are packed, {DARK} {factor} and pack again"
    )
    assert f"Hint: {line}\n" in capfd.readouterr().err
    assert 0 < found.slice("image")[1:].max() <= largest >> 8, "they are packed all the same"
    assert largest * factor <= 0xFFFF


@pytest.mark.parametrize("content", [grey16(60_000), grey16(7000), colour16(65_535), colour16(9000)])
def test_sixteen_bits_in_use_are_no_sign(content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = packed(tmp_path, [grey16(4095), content])
    assert found.hints == () and "Hint" not in capfd.readouterr().err


def test_dark_pictures_of_eight_bits_are_no_sign(tmp_path: Path) -> None:
    dark = encoded(Image.fromarray(RNG.integers(0, 16, (40, 40, 3), np.uint8)), "PNG")
    assert packed(tmp_path, [dark]).hints == ()


def test_enlarged_pictures_are_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = packed(tmp_path, [png(15, 90), png(16, 90), png(90, 14), png(20, 13), png()])
    (line,) = found.hints
    assert line == (
        "3 of 5 pictures have less than half of data.size = 32 and were enlarged, the smallest from 20 x 13 pixels: "
        "they are blurred; lower data.size, or take them out"
    )
    assert capfd.readouterr().err.count("Hint: ") == 1


@pytest.mark.parametrize(
    ("crop", "size", "hinted"), [(16, 32, False), (15, 32, True), (15, None, False), ("whole", 200, True)]
)
def test_what_is_resized_is_the_square_that_was_cut(
    crop: int | str, size: int | None, hinted: bool, tmp_path: Path
) -> None:
    assert bool(packed(tmp_path, [png(90, 90)], crop=crop, size=size).hints) == hinted


def test_pictures_left_out_are_not_counted(tmp_path: Path) -> None:
    sliver = png(15, 90)
    found = packed(tmp_path, [png(90, 90), png(90, 90), sliver, b"", sliver[:80]], crop="whole", size=None)
    assert found.hints == () and found.count("items") == 2
    assert "1 of 2 pictures" in packed(tmp_path, [png(), sliver, b"", sliver[:80]]).hints[0]


def test_a_pair_in_one_picture_is_measured_by_its_halves(tmp_path: Path) -> None:
    raw = write_folder(tmp_path / "raw", {"a.png": png(30, 90), "b.png": png(128, 64)}, "side_by_side")
    pack(Data(name="side_by_side", size=32), raw, tmp_path / "packed", 1)
    (line,) = Packed.open(tmp_path / "packed" / "data.h5").hints
    assert line.startswith("1 of 2 pictures") and "the smallest from 15 x 90" in line


def test_tables_are_looked_at_too(tmp_path: Path) -> None:
    raw = write_idx(tmp_path / "raw", counts=(30, 10))
    pack(Data(name="mnist", size=64, verify=False), raw, tmp_path / "packed", 1)
    assert (
        "40 of 40 pictures have less than half of data.size = 64" in Packed.open(tmp_path / "packed/data.h5").hints[0]
    )


@pytest.mark.parametrize("size", [None, 90])
def test_arrays_are_looked_at_too(size: int | None, tmp_path: Path) -> None:
    write_source(tmp_path / "raw", "folder")
    np.save(tmp_path / "raw" / "arrays.npy", RNG.integers(0, 4096, (5, 40, 40), np.uint16))
    pack(Data(name="folder", size=size), tmp_path / "raw", tmp_path / "packed", 1)
    found = Packed.open(tmp_path / "packed/data.h5").hints
    assert found[0].startswith("5 of 5 pictures have 16 bits a channel") and "multiply their values by 16" in found[0]
    assert [line[:15] for line in found[1:]] == ["5 of 5 pictures"] * (size is not None)


def test_any_number_of_processes_says_the_same(tmp_path: Path) -> None:
    pictures = [[png(15, 40 + n % 7), png(40, 40), grey16(4095 - n)][n % 3] for n in range(180)]
    found = [packed(tmp_path / str(workers), pictures, workers).hints for workers in (1, 3)]
    assert found[0] == found[1] and len(found[0]) == 2
    assert "60 of 180 pictures have 16 bits" in found[0][0] and "is 4093 of" in found[0][0]
    assert "60 of 180 pictures have less than half" in found[0][1] and "from 15 x 40" in found[0][1]


def test_parts_add_up_in_any_order() -> None:
    parts = [Seen(), Seen(), Seen()]
    parts[0].note_resize(9, 20, 32)
    parts[1].note_resize(20, 9, 32)
    parts[1].note_deep(100)
    parts[2].note_deep(4000)
    sums = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        total = Seen()
        for part in order:
            total.add(parts[part])
        sums.append(total)
    assert sums[0] == sums[1] == sums[2] and sums[0].smallest == (9, 20) and sums[0].brightest == 4000


def test_hints_are_no_part_of_the_content_and_stand_in_the_preview_and_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark, bright = [[grey16(v) for _ in range(20)] for v in (4095, 60_000)]
    found, fine = packed(tmp_path / "dark", dark), packed(tmp_path / "bright", bright)
    assert "hints" in found.attributes and "hints" not in fine.attributes
    assert "hint" not in (tmp_path / "dark/packed/manifest.json").read_text().lower()
    monkeypatch.chdir(tmp_path / "dark")
    Path("data").mkdir()
    Path("packed").rename(paths.PACKED)
    shown = CliRunner().invoke(app, ["data", "preview"])
    assert shown.exit_code == 0 and f"hint: {found.hints[0]}" in shown.stdout.splitlines()
