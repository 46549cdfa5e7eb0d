"""Networks that enlarge: published parameter counts, shapes, the bicubic filter, first weights, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganpipe.errors import ConfigError
from ganpipe.nets.bicubic import enlarged
from ganpipe.nets.enlargement import scale_between
from ganpipe.nets.rrdb import Block, Dense, RRDBNet
from ganpipe.nets.srgan_discriminator import SRDiscriminator
from ganpipe.nets.srresnet import SRResNet


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(build: object, *args: object, **kwargs: object) -> nn.Module:
    """Build a network without memory for its weights."""
    with torch.device("meta"):
        return build(*args, **kwargs)  # type: ignore[operator]


@pytest.mark.parametrize(("scale", "parameters"), [(4, 1_549_462), (2, 1_401_749)])
def test_srresnet_has_the_published_counts(scale: int, parameters: int) -> None:
    assert count(on_meta(SRResNet, 3, scale, 64, 16)) == parameters


def test_rrdbnet_has_the_published_counts() -> None:
    network = on_meta(RRDBNet, 3, 4, 64, 23, 32)
    assert count(network) == 16_697_987 and len(network.state_dict()) == 702


@pytest.mark.parametrize(("side", "parameters"), [(96, 23_565_505), (128, 38_245_569)])
def test_the_discriminator_has_the_published_counts(side: int, parameters: int) -> None:
    assert count(on_meta(SRDiscriminator, (3, side, side), 64, 1024)) == parameters


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("skip", [False, True])
def test_a_picture_of_any_size_is_enlarged(scale: int, skip: bool) -> None:
    images = torch.rand(2, 1, 7, 5) * 2 - 1
    for network in (SRResNet(1, scale, 4, 2, skip), RRDBNet(1, scale, 4, 1, 2, skip)):
        assert network(images).shape == (2, 1, 7 * scale, 5 * scale)


def test_a_prelu_has_one_weight() -> None:
    weights = [layer.weight.numel() for layer in SRResNet(3, 4, 8, 3).modules() if isinstance(layer, nn.PReLU)]
    assert weights == [1] * (1 + 3 + 2)


@pytest.mark.parametrize("build", [lambda: SRResNet(3, 4, 8, 2, True), lambda: RRDBNet(3, 4, 8, 2, 4, True)])
def test_with_the_skip_the_layers_add_to_the_enlarged_picture(build: object) -> None:
    network = build().eval()  # type: ignore[operator]
    images = torch.rand(1, 3, 6, 6)
    network.tail[-1].weight.data.zero_()
    network.tail[-1].bias.data.zero_()
    assert torch.equal(network(images), enlarged(images, 4))


@pytest.mark.parametrize("scale", [2, 4])
def test_the_bicubic_filter_is_pillows(scale: int) -> None:
    pixels = np.random.default_rng(0).integers(100, 150, (13, 9, 3), dtype=np.uint8)  # no overshoot, which Pillow cuts
    theirs = np.asarray(Image.fromarray(pixels).resize((9 * scale, 13 * scale), Image.Resampling.BICUBIC))
    ours = enlarged(torch.from_numpy(pixels).permute(2, 0, 1)[None].double(), scale)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).max() < 1.1  # Pillow rounds twice


def test_a_block_adds_a_fifth_of_what_its_layers_make() -> None:
    torch.manual_seed(0)
    maps = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    dense = Dense(4, 2).double()
    seen = maps
    for conv in dense.growing:
        made = conv(seen)
        seen = torch.cat([seen, torch.where(made > 0, made, 0.2 * made)], dim=1)
    torch.testing.assert_close(dense(maps), maps + 0.2 * dense.last(seen))
    block = Block(4, 2).double()
    assert len(block.body) == 3
    torch.testing.assert_close(block(maps), maps + 0.2 * block.body(maps))


def test_the_first_weights_of_rrdbnet_are_a_tenth_of_those_of_he() -> None:
    torch.manual_seed(0)
    network = RRDBNet(3, 4, 32, 2, 16)
    for conv in (layer for layer in network.modules() if isinstance(layer, nn.Conv2d)):
        assert not conv.bias.any()
        wanted = 0.1 * math.sqrt(2 / (9 * conv.in_channels))
        tolerance = 0.3 if conv.weight.numel() < 1000 else 0.06
        assert float(conv.weight.detach().std()) == pytest.approx(wanted, rel=tolerance)


def test_sides_that_do_not_halve_evenly_are_judged_too() -> None:
    assert SRDiscriminator((1, 28, 20), 4, 8)(torch.rand(3, 1, 28, 20)).shape == (3,)


def test_the_scale_is_that_of_the_shapes() -> None:
    assert scale_between((3, 24, 16), (3, 96, 64)) == 4
    assert scale_between((1, 5, 5), (1, 10, 10)) == 2


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((3, 8, 8), (3, 8, 8)),
        ((3, 8, 8), (3, 24, 24)),
        ((3, 8, 8), (3, 17, 17)),
        ((3, 8, 8), (3, 32, 16)),
        ((1, 8, 8), (3, 32, 32)),
        ((3, 8, 8), (3, 4, 4)),
    ],
)
def test_sides_that_do_not_fit_are_refused(low: tuple[int, int, int], high: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="both sides must be 2, 4, 8, ... times larger.*set data.scale"):
        scale_between(low, high)
