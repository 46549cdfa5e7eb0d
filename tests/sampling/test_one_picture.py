"""Large pictures, tile by tile: as the whole picture where no norm looks at all of it, without seams everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from enlarging import DATA, SCALE, TINY
from specs import pictures

from ganpipe.core.batch import to_float
from ganpipe.core.system import System
from ganpipe.nets.norm_statistics import recorded, replayed
from ganpipe.sampling import one_picture
from ganpipe.sampling.one_picture import Route, translated
from ganpipe.sampling.published import Generator
from ganpipe.systems.cyclegan import CycleGAN
from ganpipe.systems.esrgan import ESRGAN
from ganpipe.systems.pix2pix import Pix2Pix
from ganpipe.systems.srgan import SRGAN

RANDOM = np.random.default_rng(0)


def photograph(height: int, width: int) -> np.ndarray:
    """Waves of colour with a little noise: neighbouring places are alike, as in photographs."""
    down, across = np.mgrid[:height, :width]
    waves = [np.sin(down / 9 + channel) + np.cos(across / (5 + channel)) for channel in range(3)]
    return (np.stack(waves, axis=2) * 50 + 128 + RANDOM.normal(0, 5, (height, width, 3))).clip(0, 255).astype(np.uint8)


def srgan() -> System:
    torch.manual_seed(0)
    system = SRGAN(SRGAN.Config.model_validate(TINY), DATA)
    for norm in system.generator.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_mean)
    return system


def esrgan() -> System:
    torch.manual_seed(0)
    options = {**TINY, "growth": 2, "blocks": 1}
    system = ESRGAN(ESRGAN.Config.model_validate(options), DATA)
    with torch.no_grad():
        for weight in system.generator.parameters():
            weight *= 8  # the first weights are so small that pictures are grey
    return system


def cyclegan() -> CycleGAN:
    torch.manual_seed(0)
    cfg = CycleGAN.Config.model_validate({"features": 4, "blocks": 1, "features_discriminator": 2, "patch_layers": 1})
    return CycleGAN(cfg, pictures((3, 16, 16), (3, 16, 16), paired=False))


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Tiles of 48 pixels; the list holds the shape of all that a generator was given."""
    monkeypatch.setattr(one_picture, "WHOLE", 100 * 80)
    monkeypatch.setattr(one_picture, "TILE", 48)
    seen: list[tuple[int, ...]] = []
    usual = one_picture._Translator.at_once

    def at_once(translator: one_picture._Translator, picture: np.ndarray) -> np.ndarray:
        seen.append(picture.shape[:2])
        return usual(translator, picture)

    monkeypatch.setattr(one_picture._Translator, "at_once", at_once)
    return seen


@pytest.mark.parametrize("build", [srgan, esrgan])
@pytest.mark.parametrize(("height", "width"), [(41, 67), (30, 90), (96, 7)])
def test_tiles_of_an_enlarged_picture_equal_the_whole(
    build: Callable[[], System],
    height: int,
    width: int,
    small_tiles: list[tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator, photo = Generator(build()), photograph(height, width)
    made = translated(generator, photo, Route("low", "image"))
    reach = generator.system.reach
    assert reach is not None
    assert len(small_tiles) > 2, "several tiles; without instance norms no thumbnail"
    assert max(max(shape) for shape in small_tiles) <= 48 // SCALE + 2 * reach
    monkeypatch.setattr(one_picture, "WHOLE", 10**9)
    whole = translated(generator, photo, Route("low", "image"))
    assert made.shape == (height * SCALE, width * SCALE, 3) and made.std() > 5
    assert np.abs(made.astype(int) - whole).max() <= 1, "rounding to 8 bits may fall to either side"
    assert (made != whole).mean() < 1e-3


def test_a_window_holds_what_decides_its_tile() -> None:
    """In floating point: equal to the untiled result to 1e-5."""
    system = srgan().eval()
    reach = system.reach
    assert reach is not None
    low = to_float(torch.from_numpy(photograph(64, 64))[None])
    with torch.no_grad():
        whole = system.generate({"low": low})["image"]
        window = system.generate({"low": low[:, :, 20 - reach : 30 + reach, 24 - reach : 40 + reach]})["image"]
    tile = window[:, :, reach * SCALE : (reach + 10) * SCALE, reach * SCALE : (reach + 16) * SCALE]
    torch.testing.assert_close(tile, whole[:, :, 20 * SCALE : 30 * SCALE, 24 * SCALE : 40 * SCALE], rtol=0, atol=1e-5)


def test_all_tiles_have_the_statistics_of_the_small_picture(small_tiles: list[tuple[int, ...]]) -> None:
    system = cyclegan()
    generator, photo = Generator(system), photograph(120, 92)
    made = translated(generator, photo, Route("a", "fake_b"))
    assert small_tiles[0] == (56, 44), "a thumbnail comes first"
    assert len(small_tiles) == 1 + 3 * 2
    translator = system.translators["b"]
    small = one_picture._Translator(generator, Route("a", "fake_b"), (), 0).thumbnail(photo)
    with torch.no_grad():
        with recorded(system) as statistics:
            translator(to_float(torch.from_numpy(small.copy())[None]))
        with replayed(system, statistics):
            whole = translator(to_float(torch.from_numpy(photo)[None]))
    expected = ((whole[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert np.abs(made - expected).max() < 1, "as if the whole picture had these statistics"


def test_a_generator_that_looks_everywhere_is_given_the_whole(small_tiles: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    cfg = Pix2Pix.Config.model_validate({"features": 2, "features_discriminator": 2, "patch_layers": 1})
    system = Pix2Pix(cfg, pictures((3, 16, 16), (3, 16, 16)))
    assert system.reach is None
    made = translated(Generator(system), photograph(120, 92), Route("a", "translated"))
    assert made.shape == (120, 92, 3) and small_tiles == [(128, 96)]
