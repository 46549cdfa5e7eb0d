"""Packing in several processes and shards, compressed or not: one and the same content, and no litter when killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.packed_sets import write_set
from PIL import Image
from raw_files import jpeg, write_folder, write_idx
from typer.testing import CliRunner

from ganpipe import paths
from ganpipe.cli import app
from ganpipe.config import Data
from ganpipe.data.pack import decode as decoding
from ganpipe.data.pack.stage import pack, shard_names
from ganpipe.data.packed import preview
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.sampler import Sampler
from ganpipe.errors import DataError

COUNT = 420


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 420 images of three classes; three cannot be used."""
    contents = [jpeg(20 + at % 7, 24, at) for at in range(30)]
    members = {f"{'abc'[at % 3]}/{at:04d}.jpg": contents[at % 30] for at in range(COUNT)}
    members |= {"b/0100.jpg": b"", "c/0302.jpg": b"text", "a/0399.jpg": contents[0][:-200]}
    return write_folder(tmp_path_factory.mktemp("raw") / "folder", members)


@pytest.fixture(scope="module")
def single(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    pack(Data(name="folder", size=16), raw, folder, workers=1)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_any_number_of_processes_gives_the_same_bytes(raw: Path, single: Path, tmp_path: Path) -> None:
    pack(Data(name="folder", size=16), raw, tmp_path, workers=3)
    assert contents(tmp_path) == contents(single)
    packed = Packed.open(tmp_path / "data.h5")
    assert packed.count("items") == COUNT - 3 and packed.class_counts("label") == [139] * 3
    names = [line.split(",")[0] for line in (tmp_path / "quarantine.csv").read_text().splitlines()[1:]]
    assert names == ["b/0100.jpg", "c/0302.jpg", "a/0399.jpg"]


def test_images_of_other_shapes_are_left_out_by_any_number_of_processes(raw: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        pack(Data(name="folder", crop="whole", max_bad=COUNT), raw, tmp_path / str(workers), workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")
    packed = Packed.open(tmp_path / "1/data.h5")
    widths = [20 + at % 30 % 7 for at in range(COUNT) if at not in (100, 302, 399)]
    assert packed.fields["image"].shape == (3, 24, 20) and packed.count("items") == widths.count(20)
    names = [line.split(",")[0] for line in (tmp_path / "1/quarantine.csv").read_text().splitlines()[1:]]
    assert len(names) == COUNT - packed.count("items") and names == sorted(names, key=lambda name: int(name[2:6]))


def test_too_many_bad_images_end_the_processes(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="more than data.max_bad = 2 images cannot be used: 'b/0100.jpg' is empty, 'c/0302"
    ):
        pack(Data(name="folder", size=16, max_bad=2), raw, tmp_path, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_is_one_line(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_decode", decode_or_die)
    with pytest.raises(DataError, match="a process that decodes images was killed.*lower runtime.workers"):
        pack(Data(name="folder", size=16), raw, tmp_path, workers=2)
    assert list(tmp_path.iterdir()) == []


_decode = decoding._decode


def decode_or_die(*arguments: Any) -> list[str | None]:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), 9)
    return _decode(*arguments)


@pytest.mark.parametrize("shards", [2, 5])
@pytest.mark.parametrize("compression", [None, "lzf"])
def test_shards_hold_what_one_file_holds(
    raw: Path, single: Path, tmp_path: Path, shards: int, compression: str | None
) -> None:
    pack(Data(name="folder", size=16, shards=shards, compression=compression), raw, tmp_path, workers=1)
    assert sorted(contents(tmp_path)) == sorted(
        [*shard_names(shards), "manifest.json", "preview.png", "quarantine.csv"]
    )
    one, many = Packed.open(single / "data.h5"), Packed.open(tmp_path / "data.h5")
    many.verify()
    assert many.content_sha256 == one.content_sha256 and many.spec == one.spec and len(many.shards) == shards
    assert many.splits("items") == one.splits("items") and many.class_counts("label") == one.class_counts("label")
    rows = np.random.default_rng(0).permutation(one.count("items"))
    for name in one.fields:
        assert np.array_equal(many.slice(name), one.slice(name))
        assert np.array_equal(many.read_rows(name, rows), one.read_rows(name, rows))
        for start, stop in ((0, 1), (50, 300), (208, 209), (400, 999), (7, 7)):
            assert np.array_equal(many.slice(name, range(start, stop)), one.slice(name)[start:stop])
    assert len(pickle.dumps(many)) < 10_000
    for ram_limit in (None, 0.0):
        samplers = [Sampler(packed, 3, ram_limit=ram_limit, flip=True) for packed in (one, many)]
        for position in range(64, 64 * 9, 64):
            left, right = (sampler.fetch(position, 64) for sampler in samplers)
            assert all(np.array_equal(left[name], right[name]) for name in left)
    assert (tmp_path / "preview.png").read_bytes() == (single / "preview.png").read_bytes()


def test_splits_run_across_shards(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "mnist")
    pack(Data(name="mnist"), folder, tmp_path / "one")
    pack(Data(name="mnist", shards=7), folder, tmp_path / "many")
    one, many = (Packed.open(tmp_path / name / "data.h5") for name in ("one", "many"))
    many.verify()
    assert many.splits("items") == one.splits("items") == {"train": range(30), "test": range(30, 40)}
    assert many.content_sha256 == one.content_sha256 and [shard.count("items") for shard in many.shards] == [
        5,
        6,
        6,
        5,
        6,
        6,
        6,
    ]
    assert np.array_equal(many.slice("label", many.rows("test", "items")), one.slice("label")[30:])


def exchanged(folder: Path) -> None:
    names = shard_names(3)
    (folder / names[0]).rename(folder / "x")
    (folder / names[1]).rename(folder / names[0])
    (folder / "x").rename(folder / names[1])


def edited(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return edit


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a shard missing": (lambda folder: (folder / shard_names(3)[1]).unlink(), "data-00001-of-00003.h5: no such file"),
    "a shard truncated": (
        lambda folder: os.truncate(folder / shard_names(3)[2], 9000),
        "00002-of-00003.h5: truncated or",
    ),
    "two shards exchanged": (exchanged, "it names another data-00000-of-00003.h5 than the one beside it"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "data.h5: no such file"),
    "manifest truncated": (lambda folder: os.truncate(folder / "manifest.json", 99), "data.h5: no such file"),
    "a shard unlisted": (edited(lambda manifest: manifest["shards"].pop()), "manifest.json: truncated or damaged"),
    "splits changed": (
        edited(lambda manifest: manifest["spaces"]["items"]["splits"].update(train=[0, 99])),
        "is of another set",
    ),
    "a space unlisted": (edited(lambda manifest: manifest["spaces"].pop("items")), "is of another set"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_sets_of_shards_are_refused(raw: Path, tmp_path: Path, case: str) -> None:
    damage, problem = DAMAGES[case]
    pack(Data(name="folder", size=16, shards=3), raw, tmp_path, workers=1)
    damage(tmp_path)
    with pytest.raises(DataError, match=f"{problem}.*; run `dvc repro pack`") as caught:
        Packed.open(tmp_path / "data.h5")
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_in_a_shard_is_found_and_the_shard_named(raw: Path, tmp_path: Path) -> None:
    pack(Data(name="folder", size=16, shards=3), raw, tmp_path, workers=1)
    path = tmp_path / shard_names(3)[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(DataError, match="data-00001-of-00003.h5: damaged: its rows do not give its content_sha256"):
        Packed.open(tmp_path / "data.h5").verify()


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_compressed_files_hold_the_same_and_are_smaller(tmp_path: Path, compression: str) -> None:
    pixels = (np.arange(300) % 256).astype(np.uint8)[:, None, None, None]
    block = {
        "image": np.broadcast_to(pixels, (300, 32, 32, 3)),
        "label": np.arange(300) % 2,
        "attributes": np.zeros((300, 2), np.uint8),
    }
    names = {"attributes": ("x", "y")}
    plain, small = (
        write_set(tmp_path / f"{kind}.h5", {"items": block}, names, compression=kind) for kind in (None, compression)
    )
    small.verify()
    assert plain.content_sha256 == small.content_sha256
    rows = np.array([299, 0, 5, 128, 5])
    for name in plain.fields:
        assert np.array_equal(small.read_rows(name, rows), plain.read_rows(name, rows))
    assert small.path.stat().st_size < 0.2 * plain.path.stat().st_size
    assert small.fields["attributes"].names == ("x", "y")
    write_set(tmp_path / "again.h5", {"items": block}, names, compression=compression)
    assert (tmp_path / "again.h5").read_bytes() == small.path.read_bytes()


def test_attribute_names_are_part_of_the_content(tmp_path: Path) -> None:
    block = {"image": np.zeros((2, 1, 1, 1), np.uint8), "attributes": np.eye(2, dtype=np.uint8)}
    shas = {
        write_set(tmp_path / "x.h5", {"items": block}, {"attributes": names}).content_sha256
        for names in (("a", "b"), ("b", "a"))
    }
    assert len(shas) == 2
    with pytest.raises(ValueError, match="field attributes: 0 names for attributes"):
        write_set(tmp_path / "x.h5", {"items": block})


_PACK = """
import sys
from pathlib import Path
from ganpipe.config import Data
from ganpipe.data.pack.stage import pack
if __name__ == "__main__":
    print("ready", flush=True)
    pack(Data(name="folder", size=16, shards=2), Path(sys.argv[1]), Path(sys.argv[2]), workers=2)
"""


def start_packing(script: Path, raw: Path, into: Path, mark: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"GANPIPE_TEST_MARK": mark}
    command = [sys.executable, str(script), str(raw), str(into)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return process


def marked(mark: str) -> list[str]:
    """Return the processes that inherited a mark in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [environ.parent.name] if mark.encode() in environ.read_bytes() else []
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for left-over processes in /proc")
def test_killed_at_any_moment_and_packed_again(raw: Path, tmp_path: Path) -> None:
    script, into, mark = tmp_path / "pack.py", tmp_path / "into", uuid.uuid4().hex
    script.write_text(_PACK)
    began = time.monotonic()
    assert start_packing(script, raw, tmp_path / "straight", mark).wait() == 0
    seconds = time.monotonic() - began
    wanted = contents(tmp_path / "straight")
    assert len(wanted) == 5
    moments = random.Random(3)
    killed = 0
    for attempt in range(6):
        process = start_packing(script, raw, into, mark)
        time.sleep(moments.uniform(0, 0.9 * seconds) if attempt else 0.9 * seconds)
        process.kill()
        killed += process.wait() == -9
        left = contents(into) if into.exists() else {}
        final = {name: content for name, content in left.items() if not name.startswith(".")}
        assert final.items() <= wanted.items() and len(left) - len(final) <= 6
        if attempt % 2:
            shutil.rmtree(into, ignore_errors=True)
    assert killed >= 3
    assert start_packing(script, raw, into, mark).wait() == 0
    assert contents(into) == wanted
    deadline = time.monotonic() + 20
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marked(mark) == []  # no process outlives the packing that started it


def test_preview_shows_counts_statistics_and_a_picture(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(single, paths.PACKED)
    result = CliRunner().invoke(app, ["data", "preview", "--out", "look.png"])
    assert result.exit_code == 0, result.output
    packed = Packed.open(paths.PACKED_FILE)
    pixels = packed.slice("image").reshape(-1, 3).astype(np.float64)
    mean = " ".join(f"{value:.4g}" for value in pixels.mean(axis=0))
    std = " ".join(f"{value:.4g}" for value in pixels.std(axis=0))
    assert "folder: 0.3 MiB" in result.output and "space items: 417 rows; splits: train 417" in result.output
    assert "image: images of 3 x 16 x 16 (channels x height x width)" in result.output
    assert f"mean {mean}, standard deviation {std} (of 417 rows)" in result.output
    assert "label: labels of 3 classes" in result.output and "  b       139   33.3 %" in result.output
    picture = Image.open("look.png")
    assert picture.size == (8 * 66, 8 * (66 + 12))


def test_preview_of_vectors_and_of_attributes(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).random((9, 4), np.float32)
    packed = write_set(tmp_path / "v.h5", {"items": {"vector": vectors}})
    assert preview.describe(packed)[2:4] == ["space items: 9 rows; splits: train 9", "vector: vectors of 4"]
    preview.draw_preview(packed, tmp_path / "v.png")
    block = {"image": np.zeros((4, 8, 8, 3), np.uint8), "attributes": np.array([[0, 1]] * 4, np.uint8)}
    faces = write_set(tmp_path / "f.h5", {"items": block}, {"attributes": ("Bald", "Young")})
    lines = preview.describe(faces)
    assert lines[3:6] == ["attributes: attributes of 2", "  Bald          0    0.0 %", "  Young         4  100.0 %"]
    preview.draw_preview(faces, tmp_path / "f.png")
    assert Image.open(tmp_path / "v.png").size == (128, 72) and Image.open(tmp_path / "f.png").size[0] > 60


def test_preview_of_nothing_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["data", "preview"])
    assert result.exit_code == 1 and "run `dvc repro pack`" in result.output
