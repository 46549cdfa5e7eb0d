"""HED's VGG16, the real weights on a real photograph, against numbers that NumPy computed from the file alone.

`tools/record_activations.py` wrote them. Nobody sees in the features that channels were swapped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor

from ganpipe.nets.vgg import VGG, Trunk
from ganpipe.nets.vgg_layouts import HED_PIXELS, HED_VGG16, IMAGENET, Layout
from ganpipe.pretrained.trunks import load_trunk

RECORDED = json.loads((Path(__file__).parent / "activations.json").read_text())
LAYERS: dict[str, Any] = RECORDED["layers"]
TOLERANCE = 1e-4  # of a layer's deviation: ours differ by at most 2e-6, every mistake below by more than 2e-2


@pytest.fixture(scope="module")
def trunk(checkout_with: Callable[[str], Path]) -> Trunk:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout_with("hed"))
        patch.delenv("DVC_ROOT", raising=False)
        return load_trunk("hed")


def photograph() -> Tensor:
    """The crop of the record, in [-1, 1]."""
    top, left, height, width = (RECORDED["crop"][name] for name in ("top", "left", "height", "width"))
    pixels = load_sample_image(RECORDED["crop"]["image"])[top : top + height, left : left + width].copy()
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


def difference(maps: Tensor, layer: str) -> float:
    """The largest difference from the recorded mean, deviation and values, relative to the recorded deviation."""
    known, maps = LAYERS[layer], maps[0].double()
    assert list(maps.shape) == known["shape"]
    some = maps[5::17][:8]
    found = [*some[:, 0, 0].tolist(), *some[:, -1, -1].tolist(), float(maps.mean()), float(maps.std(correction=0))]
    wanted = [*known["corner"], *known["last"], known["mean"], known["std"]]
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) / known["std"]


def test_all_layers_answer_a_photograph_as_recorded(trunk: Trunk) -> None:
    assert set(LAYERS) == set(HED_VGG16.layers)
    found = VGG(trunk, HED_VGG16.layers)(photograph())
    assert max(difference(found[layer], layer) for layer in LAYERS) < TOLERANCE


@pytest.mark.parametrize(
    "layout",
    [
        replace(HED_VGG16, preparation=replace(HED_PIXELS, channels="rgb")),
        replace(HED_VGG16, preparation=replace(HED_PIXELS, mean=HED_PIXELS.mean[::-1])),
        replace(HED_VGG16, preparation=replace(HED_PIXELS, full=1.0)),
        replace(HED_VGG16, preparation=IMAGENET),
    ],
    ids=["channels swapped", "means swapped", "range", "torchvision's"],
)
def test_what_the_eye_does_not_see_is_seen_in_every_layer(trunk: Trunk, layout: Layout) -> None:
    layers = ["conv1_1", "conv1_2", "conv3_3", "conv4_3", "relu4_3"]
    found = VGG(replace(trunk, layout=layout), layers)(photograph())
    assert min(difference(found[layer], layer) for layer in layers) > 200 * TOLERANCE


def test_pools_that_drop_the_last_odd_row_are_noticed_by_their_shape(trunk: Trunk) -> None:
    found = VGG(replace(trunk, layout=replace(HED_VGG16, ceil=False)), ["pool4"])(photograph())
    assert list(found["pool4"].shape[1:]) == [512, 4, 4] != LAYERS["pool4"]["shape"]


def test_worse_pictures_are_farther_away(trunk: Trunk) -> None:
    network, image = VGG(trunk, ["relu4_3"]), photograph()
    wanted = network(image)["relu4_3"]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))

    def distance(other: Tensor) -> float:
        return float((network(other)["relu4_3"] - wanted).square().sum() / wanted.square().sum())

    noisy = [distance((image + sd * noise).clamp(-1, 1)) for sd in (0.04, 0.1, 0.2, 0.4)]
    coarse = [
        distance(torch.nn.functional.interpolate(
            torch.nn.functional.avg_pool2d(image, by, ceil_mode=True), size=image.shape[2:], mode="bilinear"
        ))
        for by in (2, 4, 8)
    ]  # fmt: skip
    assert noisy == sorted(noisy) and coarse == sorted(coarse)
    assert 0 < noisy[0] < 0.1 and 0.1 < noisy[-1] < 2


def test_its_parameters_are_counted(trunk: Trunk) -> None:
    assert sum(p.numel() for p in VGG(trunk, ["relu5_3"]).parameters()) == 14_714_688
