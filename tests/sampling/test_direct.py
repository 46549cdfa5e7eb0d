"""The picture `gatys`: pixels moved downhill on the losses of a system, and which systems can draw it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from raw_files import picture
from shapes import Translation
from specs import pictures

from ganpipe import systems
from ganpipe.core.batch import to_float
from ganpipe.core.system import System
from ganpipe.errors import ConfigError
from ganpipe.pictures import strip
from ganpipe.sampling import direct
from ganpipe.sampling.draw import GivenSource
from ganpipe.sampling.needs import require_inputs
from ganpipe.systems.style import Style

SIDE = 32
DATA = pictures((3, SIDE, SIDE), (3, SIDE, SIDE), paired=False)


def build(steps: int, **options: object) -> Style:
    torch.manual_seed(0)
    small = {"trunk": "random-0", "features": 2, "blocks": 1, "adversarial_weight": 0.0, "pixel_steps": steps}
    return Style(Style.Config.model_validate({**small, **options}), DATA)


def image(seed: int) -> torch.Tensor:
    return to_float(torch.from_numpy(np.asarray(picture(SIDE, SIDE, seed)).copy())[None])


class Rows(GivenSource):
    def count(self, space: str) -> int:
        return 2

    def fetch(self, field: str, start: int, count: int) -> torch.Tensor:
        return torch.cat([image((number % 2) + 10 * (field == "b")) for number in range(start, start + count)])


def test_the_gram_distance_falls_below_a_twentieth_in_fifty_steps() -> None:
    system = build(50, content_weight=0.0, variation_weight=0.0)
    system.build_frozen()
    batch = {"a": image(0), "b": image(1)}
    loss = system.direct_loss(batch)
    found = direct.moved(system, batch)["image"]
    before, after = (loss({"image": one})["style"].item() for one in (batch["a"], to_float(torch.from_numpy(found))))
    assert found.shape == (1, SIDE, SIDE, 3) and found.dtype == np.uint8
    assert after < 0.05 * before


def test_content_keeps_the_picture_near_the_photograph() -> None:
    batch, far = {"a": image(0), "b": image(1)}, {}
    for weight in (0.0, 10.0):
        system = build(20, content_weight=weight, content_layers=["relu2_1"])
        system.build_frozen()
        made = to_float(torch.from_numpy(direct.moved(system, batch)["image"]))
        features, wanted = (system.trunk(one)["relu2_1"] for one in (made, batch["a"]))
        far[weight] = (features - wanted).square().mean().item()
    assert far[10.0] < 0.5 * far[0.0]


def test_the_picture_has_a_row_for_each_given_photograph_and_three_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    system, columns = build(2).eval(), {}
    monkeypatch.setattr(direct, "strip", lambda found: (columns.update(found), strip(found))[1])
    direct.beside_direct(system, Rows(), seed=0)
    assert list(columns) == ["given: a", "made: image", "pixels: image"]
    assert all(values.shape == (2, SIDE, SIDE, 3) and values.dtype == np.uint8 for values in columns.values())
    given, moved = columns["given: a"].astype(int), columns["pixels: image"].astype(int)
    np.testing.assert_array_equal(given[1], np.asarray(picture(SIDE, SIDE, 1)))
    assert 0 < np.abs(given - moved).mean() < 20 and np.abs(given[::-1] - moved).mean() > 20  # each from its own row
    before = dict(columns)
    direct.beside_direct(system, Rows(), seed=0)
    assert all(np.array_equal(before[name], columns[name]) for name in before)


def test_a_system_without_such_losses_is_refused_before_anything_is_computed() -> None:
    inputs = Translation.Config().inputs
    with pytest.raises(ConfigError, match=r"params.yaml: sample.pictures: gatys needs losses that judge") as caught:
        require_inputs(("grid", "gatys"), inputs, "translation", "params.yaml")
    assert "\n" not in str(caught.value)
    require_inputs(("gatys",), build(1).inputs, "style", "params.yaml", direct=True)
    with pytest.raises(ConfigError, match="gatys needs a generator that is given rows of the data"):
        require_inputs(("gatys",), {}, "toy", "params.yaml", direct=True)


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_a_system_has_direct_losses_where_its_options_say_so(name: str) -> None:
    cls = systems.system_class(name)
    assert (cls.direct_loss is not System.direct_loss) == (
        cls.Config.direct_steps is not systems.SystemConfig.direct_steps
    )


def test_direct_losses_of_others_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="the losses of Translation need its networks"):
        Translation(Translation.Config(), pictures((1, 8, 8), (1, 8, 8))).direct_loss({})
