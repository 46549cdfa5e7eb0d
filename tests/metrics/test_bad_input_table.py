"""Every row of the table of bad inputs: where torch-fidelity gives NaN, a stack of frames or a plausible number.

Weights files that will not do are in `test_inception_extractor`, commands in `test_score_command`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from metrics.feature_scores import prdc
from PIL import Image

from ganpipe.core.batch import to_uint8
from ganpipe.errors import MetricError, TrainingDiverged
from ganpipe.files import write_json
from ganpipe.metrics.checks import check_pixels
from ganpipe.metrics.classifier_score import classifier_score
from ganpipe.metrics.extractors.batches import extract_in_batches
from ganpipe.metrics.extractors.interface import Extracted
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.images import open_images
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.score import compare

RNG = np.random.default_rng(0)
FINE = RNG.normal(size=(30, 4))
EVEN = np.full((30, 10), 0.1)
PIXELS = RNG.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
NAN = FINE.copy()
NAN[3, 1] = np.nan
INFINITE = FINE.copy()
INFINITE[3:5, 1] = np.inf
ODD = EVEN.copy()
ODD[7] = np.nan


def extract(images: object) -> Extracted:
    return extract_in_batches(lambda pixels: (pixels.float().mean((2, 3)), None), images, 4, "mine")  # type: ignore


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "empty set": (lambda: extract(PIXELS[:0]), "mine set: shape is .*, expected at least one image"),
    "one image, Fréchet": (lambda: frechet_distance(FINE, FINE[:1]), "fake set holds 1 samples, at least 2"),
    "one image, kernel": (lambda: kernel_distance(FINE[:1], FINE), "real set holds 1 samples, at least 4"),
    "one image, classifier score": (lambda: classifier_score(EVEN[:1], 10), "1 samples cannot be split into 10 parts"),
    "fewer images than splits": (lambda: classifier_score(EVEN[:9], 10), "9 samples cannot be split into 10 parts"),
    "no splits": (lambda: classifier_score(EVEN, 0), "30 samples cannot be split into 0 parts"),
    "subsets of less than two": (lambda: kernel_distance(FINE[:3], FINE), "real set holds 3 samples, at least 4"),
    "no more images than neighbours": (lambda: prdc(FINE, FINE[:5], 5), "fake set holds 5 samples, at least 7"),
    "one more than neighbours": (lambda: compare(FINE, Extracted(FINE[:6]), 5), "holds 6 samples, at least 7"),
    "no neighbours": (lambda: prdc(FINE, FINE, 0), "evaluate.neighbours = 0, at least 1 is needed"),
    "float images": (lambda: extract(PIXELS / 255), "mine set: pixels are float64, expected uint8"),
    "16-bit images": (lambda: extract(PIXELS.astype(np.uint16)), "mine set: pixels are uint16, expected uint8"),
    "two channels": (lambda: extract(PIXELS[..., :2]), r"shape is \(9, 8, 8, 2\), expected .* channels 1 or 3"),
    "channels first": (lambda: extract(PIXELS.transpose(0, 3, 1, 2)), r"shape is \(9, 3, 8, 8\), expected"),
    "one picture without its batch": (lambda: extract(PIXELS[0]), r"shape is \(8, 8, 3\), expected \(N, height"),
    "tensor": (lambda: extract(torch.tensor(PIXELS)), "is a Tensor, expected a NumPy array of uint8"),
    "list": (lambda: extract(list(PIXELS)), "is a list, expected a NumPy array of uint8"),
    "tuple": (lambda: check_pixels((PIXELS,)), "is a tuple, expected a NumPy array of uint8"),  # type: ignore
    "tensor of features": (lambda: prdc(FINE, torch.tensor(FINE)), "fake features are a Tensor"),  # type: ignore
    "constant images": (lambda: check_pixels(PIXELS[:1].repeat(9, axis=0)), "all 9 images are the same picture"),
    "NaN feature, Fréchet": (lambda: frechet_distance(FINE, NAN), "1 of 30 fake feature rows are not finite"),
    "NaN feature, kernel": (lambda: kernel_distance(NAN, FINE), "1 of 30 real feature rows are not finite"),
    "NaN feature, neighbours": (lambda: prdc(FINE, NAN), "1 of 30 fake feature rows are not finite"),
    "infinite features": (lambda: compare(FINE, Extracted(INFINITE), 5), "2 of 30 fake feature rows are not finite"),
    "NaN probabilities": (lambda: classifier_score(ODD, 1), "1 of 30 rows of class probabilities are not finite"),
    "other number of features": (lambda: compare(FINE, Extracted(FINE[:, :3]), 5), "real features have 4 .* fake .* 3"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_line(case: str) -> None:
    attempt, message = BAD[case]
    with pytest.raises(MetricError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_pixels_that_are_not_finite_never_become_black(bad: float) -> None:
    images = torch.zeros(4, 3, 8, 8)
    images[2, 0, 1, 1] = bad
    with pytest.raises(TrainingDiverged, match="1 of 4 generated images hold non-finite pixels"):
        to_uint8(images)


def write(folder: Path, **pictures: object) -> Path:
    folder.mkdir()
    for name, picture in pictures.items():
        if isinstance(picture, bytes):
            (folder / f"{name}.png").write_bytes(picture)
        else:
            assert isinstance(picture, Image.Image)
            picture.save(folder / f"{name}.png")
    return folder


FOLDERS: dict[str, tuple[dict[str, object] | None, str]] = {
    "missing folder": (None, "set: there is no such folder or file"),
    "empty folder": ({}, "set: holds no images"),
    "corrupt picture": ({"a": Image.new("RGB", (8, 8)), "b": b"\x89PNG no"}, "b.png: is no image in a known format"),
    "empty picture": ({"a": b""}, "a.png: is empty"),
    "ragged sizes": ({"a": Image.new("L", (8, 8)), "b": Image.new("L", (8, 9))}, "b.png: is 8 x 9 pixels, but a.png 8"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_bad_folders_give_one_line_with_the_name(case: str, tmp_path: Path) -> None:
    pictures, message = FOLDERS[case]
    folder = tmp_path / "set" if pictures is None else write(tmp_path / "set", **pictures)
    with pytest.raises(MetricError, match=message) as caught:
        found = open_images(folder)
        found.read(np.arange(len(found)))
    assert "\n" not in str(caught.value)


def test_grey_colour_and_transparent_pictures_may_be_mixed(tmp_path: Path) -> None:
    pictures = {mode: Image.new(mode, (8, 8), "red") for mode in ("L", "RGB", "RGBA", "P")}
    found = open_images(write(tmp_path / "set", **pictures))
    assert found.read(np.arange(4)).shape == (4, 8, 8, 3) and len(found) == 4


def test_what_others_turn_into_nan_is_a_number_here(tmp_path: Path) -> None:
    confident = np.zeros((300, 10))
    confident[np.arange(300), np.arange(300) % 3] = 1
    scores = compare(FINE[:9], Extracted(FINE[9:], confident[:21]), 5)
    assert scores["cs"] == pytest.approx(3)
    assert classifier_score(confident, 1).mean == pytest.approx(3, abs=1e-9)
    assert np.isfinite([scores["fd"], scores["kd_x1000"], scores["kd_std_x1000"]]).all()
    assert scores["kd_std_x1000"] > 1e-3  # subsets of half the set: as large as the set they would all be the same
    write_json(tmp_path / "metrics.json", scores)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "metrics.json", {**scores, "fd": float("nan")})
    assert json.loads((tmp_path / "metrics.json").read_text())["cs"] == pytest.approx(3)
