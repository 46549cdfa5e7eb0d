"""Whole held-out photographs: drawn by the sample stage, scored on Y beside a bicubic filter; textures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import flip
from data.test_tiles import packed, pixels, png
from metrics.sets import column, write_set
from PIL import Image
from skimage.metrics import structural_similarity
from torch import nn

from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Given
from ganpipe.core.system import System
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.mosaics import enlarged_to, read_photographs
from ganpipe.errors import DataError, MetricError
from ganpipe.files import read_sealed, write_sealed
from ganpipe.losses.perceptual import feature_distance
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.photographs import luma, photograph_scores
from ganpipe.metrics.trunks import Trunk, load_trunks, texture_scores
from ganpipe.sampling.photographs import draw_photographs
from ganpipe.sampling.published import Generator
from ganpipe.systems.configs import SystemConfig


class Repeater(System):
    """Enlarges a picture four times by repeating its pixels."""

    class Config(SystemConfig):
        @property
        def inputs(self) -> dict[str, Given]:
            return {"low": Given("low")}

    adversaries = ()

    def __init__(self, cfg: Config, data: object) -> None:
        super().__init__(cfg, data)  # type: ignore[arg-type]
        self.generator = nn.Linear(1, 1)

    @property
    def given_multiple(self) -> int:
        return 1

    def generate(self, inputs: Batch) -> Batch:
        return {"image": inputs["low"].repeat_interleave(4, 2).repeat_interleave(4, 3)}


@pytest.fixture
def photographs(tmp_path: Path) -> Packed:
    """One photograph to learn from, and two held out: of 3 x 2 and of 2 x 4 tiles of 16 pixels."""
    members = {"train/one.png": png(40, 40), "test/two.png": png(53, 37), "test/three.png": png(32, 64)}
    return packed(members, tmp_path)


def drawn(found: Packed, folder: Path, asked: bool = True) -> Path:
    draw_photographs(Generator(Repeater(Repeater.Config(), found.spec)), found, asked, 0, folder)
    return folder


def output() -> Output:
    return Output("image", "image", np.zeros((1, 16, 16, 3), np.uint8), source="low")


def test_every_held_out_photograph_is_made_whole(photographs: Packed, tmp_path: Path) -> None:
    folder = drawn(photographs, tmp_path / "samples" / "photographs")
    assert read_sealed(folder / "index.json")["made"]["image"].keys() == {"three", "two"}
    low = Image.fromarray(pixels(png(53, 37))[:36, :52]).resize((13, 9), Image.Resampling.BICUBIC)
    expected = np.asarray(low)[:8, :12].repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(read_photographs(folder, "image")["two"], expected)
    assert folder.with_name("photographs.png").exists()
    assert drawn(photographs, folder, asked=False) and read_photographs(folder, "image") == {}
    assert sorted(path.name for path in folder.iterdir()) == ["index.json"], "those of earlier params are gone"


def test_data_without_held_out_photographs_is_refused(tmp_path: Path) -> None:
    alone = packed({"one.png": png(40, 40)}, tmp_path)
    with pytest.raises(DataError, match=r"photographs needs photographs in tiles, some of them held out"):
        drawn(alone, tmp_path / "photographs")


def test_scores_by_hand(photographs: Packed, tmp_path: Path) -> None:
    folder = drawn(photographs, tmp_path / "photographs")
    scores = photograph_scores(photographs, output(), folder, load_trunks(["random-0"]))
    assert scores is not None and (scores["photographs"], scores["border"]) == (2, 4)
    expected: dict[str, list[float]] = {}
    for content, height, width in ((png(32, 64), 64, 32), (png(53, 37), 32, 48)):
        wanted = pixels(content)[:height, :width]
        low = Image.fromarray(pixels(content)[: pixels(content).shape[0] // 4 * 4, : pixels(content).shape[1] // 4 * 4])
        small = low.resize((low.width // 4, low.height // 4), Image.Resampling.BICUBIC)
        given = np.asarray(small)[: height // 4, : width // 4]
        made = given.repeat(4, 0).repeat(4, 1)
        for ending, one in (("", made), ("_bicubic", enlarged_to(given, height, width))):
            y, other = ((16 + rgb @ np.array([65.481, 128.553, 24.966]) / 255)[4:-4, 4:-4] for rgb in (one, wanted))
            decibel = 20 * math.log10(255 / math.sqrt(((y - other) ** 2).mean()))
            gaussian = {"sigma": 1.5, "gaussian_weights": True, "use_sample_covariance": False}
            expected.setdefault(f"psnr_y{ending}", []).append(decibel)
            expected.setdefault(f"ssim_y{ending}", []).append(
                structural_similarity(y, other, data_range=255, **gaussian)
            )
    for name, values in expected.items():
        assert scores[name] == pytest.approx(np.mean(values)), name
    assert scores["feature_distance_random_0"] > 0 and scores["sharpness_bicubic"] < scores["sharpness"]


def test_photographs_of_other_data_are_refused(photographs: Packed, tmp_path: Path) -> None:
    folder = drawn(photographs, tmp_path / "photographs")
    made = read_sealed(folder / "index.json")["made"]["image"]
    write_sealed(folder / "index.json", {"made": {"image": {"two": made["two"]}}})
    with pytest.raises(MetricError, match="three is not a photograph of the packed data"):
        photograph_scores(photographs, output(), folder, [])
    write_sealed(folder / "index.json", {"made": {}})
    assert photograph_scores(photographs, output(), folder, []) is None


@pytest.mark.parametrize("name", ["index.json", "image/two.png"])
def test_damaged_photographs_are_refused(photographs: Packed, tmp_path: Path, name: str) -> None:
    path = drawn(photographs, tmp_path / "photographs") / name
    flip(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=r"index.json: .*; run `dvc repro sample`$"):
        photograph_scores(photographs, output(), path.parents[name.count("/")], [])


def test_luma_is_that_of_bt_601() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert luma(colours)[0] == pytest.approx([16, 235, 81.481, 144.553, 40.966])
    assert luma(colours[..., :1])[0].tolist() == [0, 255, 255, 0, 0]


def test_large_pictures_are_compared_by_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    (trunk,) = load_trunks(["random-3"])
    rng = np.random.default_rng(0)
    made, wanted = rng.integers(0, 256, (2, 48, 40, 3), np.uint8)
    with torch.inference_mode():
        both = [trunk.maps(torch.from_numpy(one).permute(2, 0, 1)[None] / 127.5 - 1) for one in (made, wanted)]
    whole = trunk.distance(made, wanted)
    assert whole == pytest.approx(float(feature_distance(*both)))
    above, below, left, right = np.s_[:32], np.s_[32:], np.s_[:32], np.s_[32:]
    parts = [((above, left), 1024), ((above, right), 256), ((below, left), 512), ((below, right), 128)]
    mean = sum(trunk.distance(made[part], wanted[part]) * area for part, area in parts) / (48 * 40)
    monkeypatch.setattr("ganpipe.metrics.trunks._WINDOW", 32)
    assert trunk.distance(made, wanted) == pytest.approx(mean)


@pytest.mark.parametrize("name", ["random-0", "lite0"])
def test_textures_of_the_field_are_nearer_than_those_of_a_copy(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    smooth = np.tile(np.linspace(0, 255, 32, dtype=np.uint8)[:, None, None], (8, 1, 32, 3))
    noise = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
    found = write_set(tmp_path / "data.h5", {"a": column(smooth, space="a"), "b": column(noise, space="b")})
    other = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
    made = Output("fake_b", "b", other, source="a", source_rows=np.arange(8))
    scores = texture_scores(found, made, load_trunks([name]))
    key = name.replace("-", "_")
    assert scores.keys() == {f"gram_{key}", f"gram_{key}_copy"}
    assert scores[f"gram_{key}"] < 0.3 * scores[f"gram_{key}_copy"]


def test_textures_by_hand(tmp_path: Path) -> None:
    """Two maps that are the pixels themselves: the Gram matrices can be written down."""
    dark, light = np.full((2, 4, 4, 1), 64, np.uint8), np.full((4, 4, 4, 1), 255, np.uint8)
    found = write_set(tmp_path / "data.h5", {"a": column(dark, space="a"), "b": column(light, space="b")})

    def same(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"one": (images + 1) / 2}

    made = Output("fake_b", "b", np.full((2, 4, 4, 1), 128, np.uint8), source="a", source_rows=np.arange(2))
    scores = texture_scores(found, made, [Trunk("eye-1", same)])
    assert scores["gram_eye_1"] == pytest.approx((1 - (128 / 255) ** 2) ** 2, rel=1e-5)
    assert scores["gram_eye_1_copy"] == pytest.approx((1 - (64 / 255) ** 2) ** 2, rel=1e-5)
