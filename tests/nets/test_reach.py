"""How far networks look, found by gradients; and instance norms with the statistics of another picture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganpipe.nets import stargan
from ganpipe.nets.johnson import Johnson
from ganpipe.nets.norm_statistics import recorded, replayed
from ganpipe.nets.rrdb import RRDBNet
from ganpipe.nets.srresnet import SRResNet
from ganpipe.nets.translator import Translator


def star(upsampling: str) -> tuple[nn.Module, int, int, Callable[[nn.Module, Tensor], Tensor]]:
    network = stargan.Generator((1, 8, 8), 2, 2, 1, upsampling)  # type: ignore[arg-type]
    return network, network.reach, 1, lambda one, images: one(images, torch.eye(2)[:1].to(images))


def johnson(blocks: int) -> tuple[nn.Module, int, int, Callable[[nn.Module, Tensor], Tensor]]:
    network = Johnson((1, 8, 8), 2, blocks)
    return network, network.reach, 1, lambda one, images: one(images)


def translator(upsampling: str, blocks: int) -> tuple[nn.Module, int, int, Callable[[nn.Module, Tensor], Tensor]]:
    network = Translator((1, 8, 8), 1, 2, blocks, upsampling)  # type: ignore[arg-type]
    return network, network.reach, 1, lambda one, images: one(images)


def enlarging(
    network: SRResNet | RRDBNet, scale: int
) -> tuple[nn.Module, int, int, Callable[[nn.Module, Tensor], Tensor]]:
    return network, network.reach, scale, lambda one, images: one(images)


NETWORKS = {
    "johnson": lambda: johnson(blocks=2),
    "translator-transposed": lambda: translator("transposed", 2),
    "translator-nearest": lambda: translator("nearest", 1),
    "stargan-transposed": lambda: star("transposed"),
    "stargan-nearest": lambda: star("nearest"),
    "srresnet-x2": lambda: enlarging(SRResNet(1, 2, 2, 2), 2),
    "srresnet-x4": lambda: enlarging(SRResNet(1, 4, 2, 1, bicubic_skip=True), 4),
    "rrdb-x2": lambda: enlarging(RRDBNet(1, 2, 2, 1, 2), 2),
    "rrdb-x4": lambda: enlarging(RRDBNet(1, 4, 2, 2, 2, bicubic_skip=True), 4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_place_beyond_the_reach_decides(name: str) -> None:
    """The reach is that of the gradient, or at most an eighth and four pixels more."""
    torch.manual_seed(0)
    network, reach, scale, run = NETWORKS[name]()
    network.double().eval()
    side = (2 * reach + 24) // 4 * 4
    images = torch.randn(1, 1, side, side, dtype=torch.float64)
    with torch.no_grad(), recorded(network) as statistics:
        run(network, images)
    farthest = 0
    middle = side // 2
    for place in range(middle, middle + 4):  # all places of a window of four pixels
        given = images.clone().requires_grad_(True)
        with replayed(network, statistics):
            made = run(network, given)
        made[0, 0, place * scale : (place + 1) * scale, place * scale : (place + 1) * scale].sum().backward()
        assert given.grad is not None
        seen = torch.nonzero(given.grad[0, 0])
        farthest = max(farthest, int((seen - place).abs().max()))
    assert farthest <= reach <= farthest * 9 / 8 + 4


def test_noted_statistics_make_a_norm_local() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.InstanceNorm2d(2, affine=True), nn.ReLU(), nn.InstanceNorm2d(2))
    nn.init.uniform_(network[0].weight)  # type: ignore[arg-type]
    images = torch.rand(1, 2, 8, 8)
    with recorded(network) as statistics:
        expected = network(images)
    with replayed(network, statistics):
        torch.testing.assert_close(network(images), expected)
        torch.testing.assert_close(network(images[:, :, :3, :5]), expected[:, :, :3, :5])
    assert not torch.allclose(network(images[:, :, :3, :5]), expected[:, :, :3, :5]), "the hooks are gone"


def test_a_norm_that_is_called_twice_takes_turns() -> None:
    norm = nn.InstanceNorm2d(1)
    dark, light = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4) + 5
    with recorded(norm) as statistics:
        first, second = norm(dark), norm(light)
    with replayed(norm, statistics):
        for _ in range(2):
            torch.testing.assert_close(norm(dark), first)
            torch.testing.assert_close(norm(light), second)
