"""`ganpipe score`: the metrics for anybody's images, and one line for everything that cannot be scored honestly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from metrics.scored import SIDE, images, png, save_npy, score, write_folder, write_h5, write_zip
from metrics.sets import column, write_set
from PIL import Image
from raw_files import write_tar

import ganpipe.metrics.score
from ganpipe.data.packed.file import About, SpaceRows, write_packed
from ganpipe.metrics.classifier_score import classifier_score
from ganpipe.metrics.extractors import extraction
from ganpipe.metrics.extractors.interface import Extracted
from ganpipe.metrics.images import open_images
from ganpipe.metrics.score import ComparedImages, _default_extractor


def test_a_folder_against_a_packed_file(tmp_path: Path) -> None:
    pixels = images(0, 40)
    folder, packed = write_folder(tmp_path / "fake", pixels), write_h5(tmp_path / "real.h5", pixels)
    out = tmp_path / "scores.json"
    code, text, _ = score(folder, packed, "--extractor", "pixel", "--neighbours", "3", "--out", str(out))
    assert code == 0
    found = json.loads(out.read_text())
    assert (found["n_fake"], found["n_real"], found["pixel"]["extractor"]) == (40, 40, "pixel1024")
    assert sorted(found["pixel"]) == [
        "copied_share", "coverage", "density", "duplicate_share", "extractor", "fd", "kd_std_x1000", "kd_x1000",
        "precision", "precision_k3", "recall", "recall_k3",
    ]  # fmt: skip
    assert found["pixel"]["fd"] < 1e-6 and found["pixel"]["precision"] == found["pixel"]["coverage"] == 1
    assert len(found["real_sha256"]) == len(found["fake_sha256"]) == 64
    assert f"{found['pixel']['kd_x1000']}" in text and "unequal" not in text
    assert "Note: pixel: 40 samples are few for 768 features, 7680 would do" in text
    assert score(folder, packed, "--extractor", "pixel", "--neighbours", "3")[1] == text


def test_the_order_of_a_set_changes_its_hash_but_equal_sets_have_equal_ones(tmp_path: Path) -> None:
    pixels = images(0, 20)
    one, other = write_h5(tmp_path / "a.h5", pixels), write_h5(tmp_path / "b.h5", pixels[::-1])
    score(one, other, "--extractor", "pixel", "--out", str(tmp_path / "scores.json"))
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["real_sha256"] != found["fake_sha256"] and found["pixel"]["fd"] < 1e-6


def test_unequal_numbers_are_flagged_and_equally_many_compared(tmp_path: Path) -> None:
    fake, real = write_h5(tmp_path / "fake.h5", images(0, 30)), write_h5(tmp_path / "real.h5", images(1, 90))
    code, text, _ = score(fake, real, "--extractor", "pixel")
    assert code == 0 and "n_fake                   30" in text
    assert f"Note: unequal numbers of samples (real ({real}): 90, fake ({fake}): 30): 30 of each are compared" in text
    code, text, _ = score(fake, real, "--extractor", "pixel", "--n", "12")
    assert code == 0 and "n_real                   12" in text


def test_grey_and_colour_files_of_the_same_pictures_agree(tmp_path: Path) -> None:
    grey = images(0, 20, channels=1)
    folder, packed = write_folder(tmp_path / "fake", grey), write_h5(tmp_path / "real.h5", grey.repeat(3, axis=3))
    code, text, _ = score(folder, packed)
    assert code == 0 and "pixel.extractor" in text and "pixel.coverage           1.0" in text


def test_the_default_suits_the_images(tmp_path: Path) -> None:
    def suitable(pixels: np.ndarray) -> str:
        return _default_extractor(ComparedImages(open_images(write_h5(tmp_path / "set.h5", pixels)), "real", 2))

    assert suitable(images(0, 2, side=32)) == "lite0"
    assert suitable(images(0, 2, side=31)) == "pixel"
    assert suitable(images(0, 2, channels=1, side=64).repeat(3, axis=3)) == "pixel"


def test_parts_in_memory_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = write_h5(tmp_path / "fake.h5", images(0, 300)), write_folder(tmp_path / "real", images(1, 700))
    code, whole, _ = score(fake, real, "--extractor", "pixel")
    monkeypatch.setattr(extraction, "ROWS", 64)
    monkeypatch.setattr(ganpipe.metrics.score, "ROWS", 64)
    assert score(fake, real, "--extractor", "pixel")[:2] == (code, whole) and code == 0


def test_more_real_images_give_the_floor(tmp_path: Path) -> None:
    fake, real = write_h5(tmp_path / "fake.h5", images(0, 30)), write_h5(tmp_path / "real.h5", images(1, 60))
    out = tmp_path / "scores.json"
    assert score(fake, real, "--extractor", "pixel", "--out", str(out))[0] == 0
    found = json.loads(out.read_text())["pixel"]
    assert {"fd_floor", "fd_ratio", "kd_floor_x1000", "copied_share_floor"} < found.keys()
    assert found["fd_ratio"] == pytest.approx(1, abs=0.1)


def test_repeated_images_are_counted(tmp_path: Path) -> None:
    fake = write_h5(tmp_path / "fake.h5", np.concatenate([images(0, 15), images(0, 15)]))
    code, text, _ = score(fake, write_h5(tmp_path / "real.h5", images(1, 30)), "--extractor", "pixel")
    assert code == 0 and re.search(r"pixel.duplicate_share +0.5\n", text)


def test_sorted_classes_have_the_score_of_shuffled_ones(tmp_path: Path) -> None:
    """A mean over ten consecutive parts would be 1 where each part is of one class."""
    pixels = images(0, 5000, side=2)
    pixels[:, 0, 0] = np.arange(10).repeat(500)[:, None]
    shown = ComparedImages(open_images(write_h5(tmp_path / "set.h5", pixels)), "fake", 5000)
    found = shown.extracted(Classes(), "Classes")
    assert found.probabilities is not None
    assert classifier_score(found.probabilities, 10).mean > 9.5


class Classes:
    """Knows an image's class by its first pixel."""

    identity = "classes"

    def extract(self, samples: np.ndarray, /, on_progress: object = None) -> Extracted:
        return Extracted(samples[:, 0, 0, :1].astype(float), np.eye(10)[samples[:, 0, 0, 0]])


@pytest.mark.parametrize("out", ["", "file/scores.json"])
def test_a_place_that_cannot_be_written_is_named_and_the_scores_are_shown(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    packed = write_h5(tmp_path / "set.h5", images(0, 9))
    code, text, errors = score(packed, packed, "--extractor", "pixel", "--out", str(tmp_path / out))
    assert code != 0 and "Traceback" not in errors
    if out:
        assert errors.splitlines()[-1].startswith(f"Error: {tmp_path / 'file'}: ") and "pixel.fd" in text
    else:
        assert "Invalid value for '--out'" in errors and "Features" not in errors  # before any work


def broken_png(path: Path) -> None:
    write_folder(path, images(0, 10))
    (path / "part0" / "0000.png").write_bytes(b"no picture")


def ragged(path: Path) -> None:
    write_folder(path, images(0, 10))
    Image.fromarray(images(1, 1, side=17)[0]).save(path / "part1" / "zzzz.png")


def vectors(path: Path) -> None:
    write_set(path, {"numbers": column(np.zeros((9, 4), np.float32), "vector")})


def two_fields(path: Path) -> None:
    write_set(path, {"a": column(images(0, 9)), "b": column(images(1, 9))})


def damaged_rows(path: Path) -> None:
    about = About(name="mine", source="", licence="", citation="", transform="")
    fields, rows = {"picture": column(images(0, 9))[0]}, SpaceRows(9, [{"picture": images(0, 9)}])
    write_packed(path, about, fields, {"items": rows}, compression="gzip")
    with h5py.File(path) as file:
        chunk = file["items/picture"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)


def texts(path: Path) -> None:
    path.mkdir()
    for name in ("a.txt", "b.TXT"):
        (path / name).write_text("no picture")


def two_packed(path: Path) -> None:
    for name in ("data.h5", "samples.h5"):
        write_h5(path / name, images(0, 9))


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["images"] = images(0, 9)


def truncated(path: Path) -> None:
    write_h5(path, images(0, 9))
    path.write_bytes(path.read_bytes()[:3000])


def zip_of_texts(path: Path) -> None:
    write_zip(path, {"readme.txt": b"no picture"})


def cut_tar(path: Path) -> None:
    write_tar(path, {f"{n}.png": png(picture) for n, picture in enumerate(images(0, 9))}, "w:")
    path.write_bytes(path.read_bytes()[:4000])


def broken_in_tar(path: Path) -> None:
    write_tar(path, {"a/a.png": png(images(0, 1)[0]), "a/b.png": png(images(0, 1)[0])[:60]}, "w:gz")


def ragged_zip(path: Path) -> None:
    write_zip(path, {"a.png": png(images(0, 1)[0]), "b.png": png(images(0, 1, side=17)[0])})


def giant(path: Path) -> None:
    path.mkdir()
    Image.new("1", (11_000, 9_000)).save(path / "a.png")


BAD = {
    "missing": (lambda path: None, 1, "fake: there is no such folder or file; give a folder, zip or tar of images"),
    "empty folder": (lambda path: path.mkdir(), 1, "fake: holds no images; give a folder"),
    "folder of texts": (texts, 1, "fake: holds no images, only 2 .txt, no pictures in a format that is read; give a"),
    "two packed files": (two_packed, 1, "fake: holds packed sets, give one of these files: .*data.h5, .*samples.h5$"),
    "the folder above": (
        lambda path: write_h5(path / "packed" / "data.h5", images(0, 9)),
        1,
        "fake: holds packed sets, give one of these files: .*fake/packed/data.h5$",
    ),
    "no packed file": (lambda path: path.write_bytes(b"junk"), 1, "fake: is no HDF5 file; give a folder, zip or tar"),
    "an empty file": (lambda path: path.write_bytes(b""), 1, "fake: is no HDF5 file; give a folder, zip or tar"),
    "another HDF5 file": (other_hdf5, 1, "fake: schema None is not 'ganpipe/2'; give a folder, zip or tar of images"),
    "truncated packed file": (truncated, 1, r"fake: truncated or damaged \(.*\); give a folder, zip or tar of images"),
    "damaged rows": (damaged_rows, 1, r"fake: damaged .*; give a folder, zip or tar of images"),
    "one picture": (lambda path: path.write_bytes(png(images(0, 1)[0])), 1, "fake: is one image; give a folder"),
    "damaged zip": (lambda path: path.write_bytes(b"PK\3\4" + bytes(50)), 1, "fake: is a damaged zip file: "),
    "zip of texts": (zip_of_texts, 1, "fake: holds no images, only 1 .txt, no pictures in a format that is read; give"),
    "cut tar": (cut_tar, 1, "fake: cannot be read as an archive: .*; give a folder, zip or tar of images"),
    "broken picture in a tar": (broken_in_tar, 1, "fake: 'a/b.png': cannot be decoded"),
    "ragged zip": (ragged_zip, 1, "fake: 'b.png': is 17 x 17 pixels, but .*'a.png' 16 x 16: give --size N to bring"),
    "array of numbers": (
        lambda path: save_npy(path, np.zeros((9, 4))),
        1,
        r"fake: fake has the shape \(9, 4\), not \(n, height, width\)[^;]*$",
    ),
    "array of no range": (
        lambda path: save_npy(path, images(0, 9) * 1e3),
        1,
        "fake: fake hold values .*, of which nothing says what is black and white",
    ),
    "giant": (giant, 1, "a.png: is 11000 x 9000 = 99000000 pixels, more than data.max_pixels = 89478485; pack it with"),
    "vectors": (vectors, 1, r"fake: holds numbers \(vectors of 4\), no images"),
    "two fields": (two_fields, 1, "fake: holds images in a, b; give a folder of images or a file with one field of"),
    "corrupt png": (broken_png, 1, "0000.png: is no image in a known format"),
    "ragged": (ragged, 1, "zzzz.png: is 17 x 17 pixels, but 0000.png 16 x 16: give --size N to bring"),
    "constant": (lambda path: write_h5(path, np.zeros((9, SIDE, SIDE, 3), np.uint8)), 1, "fake.*: all 9 images are"),
    "other size": (
        lambda path: write_h5(path, images(0, 9, side=8)),
        1,
        "16 x 16 and 8 x 8 pixels: give --size N to bring",
    ),
    "one image": (lambda path: write_h5(path, images(0, 1)), 1, "holds 1 samples, at least 2 are needed"),
    "few": (lambda path: write_h5(path, images(0, 6)), 1, "holds 6 samples, at least 7 are needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_scored_gives_one_line_and_no_file(case: str, tmp_path: Path) -> None:
    make, expected, message = BAD[case]
    make(tmp_path / "fake")
    real = write_h5(tmp_path / "real.h5", images(3, 30))
    out = tmp_path / "scores.json"
    code, _, errors = score(tmp_path / "fake", real, "--extractor", "pixel", "--out", str(out))
    assert code == expected and not out.exists()
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1 and lines[0] == errors.splitlines()[-1]

    assert re.search(message, lines[0]), lines[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [("domain", "--extractor domain is trained on labels"), ("pattern", "--extractor pattern looks at vectors"),
     ("incepton", "'incepton' is unknown, did you mean 'inception'")],
)  # fmt: skip
def test_extractors_that_cannot_look(name: str, message: str, tmp_path: Path) -> None:
    packed = write_h5(tmp_path / "set.h5", images(0, 9))
    code, _, errors = score(packed, packed, "--extractor", name)
    assert code == 2 and message in errors and "lite0" in errors
