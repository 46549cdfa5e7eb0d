"""Residual generator and critic: published counts, layout, what each block computes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from ganpipe.nets.resnet import Critic, DownBlock, FirstDownBlock, Generator, UpBlock, widths_of


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("side", "of_generator", "generator", "of_critic", "critic"),
    [(32, 256, 4_276_739, 128, 1_053_825), (64, 64, 12_220_675, 64, 10_141_441)],  # 64 << 4 = 1024 at the coarsest
)
def test_published_counts(side: int, of_generator: int, generator: int, of_critic: int, critic: int) -> None:
    assert count(Generator(128, (3, side, side), of_generator)) == generator
    assert count(Critic((3, side, side), of_critic)) == critic


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 64, 64), (2, 16, 24)])
def test_one_image_per_latent_and_one_score_per_image(shape: tuple[int, int, int]) -> None:
    images = Generator(7, shape, 2)(torch.randn(3, 7))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert Critic(shape, 2)(images).shape == (3,)


def test_widths() -> None:
    assert widths_of(3, 128) == [128, 128, 128, 128]
    assert widths_of(4, 64) == [64, 128, 256, 512, 1024]


@pytest.mark.parametrize(("side", "sides"), [(32, [16, 8, 8, 8]), (64, [32, 16, 8, 4, 2])])
def test_sides_of_the_critics_maps(side: int, sides: list[int]) -> None:
    maps = torch.randn(1, 3, side, side)
    found = []
    for block in Critic((3, side, side), 2).blocks:
        maps = block(maps)
        found.append(maps.shape[-1])
    assert found == sides


def test_the_critic_takes_the_mean_over_places_and_has_no_normalisation() -> None:
    torch.manual_seed(0)
    critic = Critic((3, 32, 32), 4)
    kinds = {type(module) for module in critic.modules() if list(module.parameters(recurse=False))}
    assert kinds == {nn.Conv2d, nn.Linear}
    images = torch.randn(5, 3, 32, 32)
    expected = critic.end(torch.relu(critic.blocks(images)).mean(dim=(2, 3)))[:, 0]
    torch.testing.assert_close(critic(images), expected)
    torch.testing.assert_close(critic(images)[3:4], critic(images[3:4]))  # every image alone


def test_an_up_block_doubles_before_its_convolutions() -> None:
    torch.manual_seed(0)
    block = UpBlock(3, 2).double().eval()
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    inner = interpolate(torch.relu(block.norm1(maps)), scale_factor=2)
    inner = block.conv2(torch.relu(block.norm2(block.conv1(inner))))
    beside = block.shortcut(interpolate(maps, scale_factor=2))
    torch.testing.assert_close(block(maps), inner + beside)


def test_down_blocks() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    for block in (DownBlock(3, 5).double(), FirstDownBlock(3, 5).double()):
        first = torch.relu(maps) if isinstance(block, DownBlock) else maps
        inner = block.conv2(torch.relu(block.conv1(first)))
        torch.testing.assert_close(block(maps), avg_pool2d(inner + block.shortcut(maps), 2))
    same = DownBlock(3, 3, pooled=False).double()
    assert isinstance(same.shortcut, nn.Identity)
    assert same(maps).shape == maps.shape
    nn.init.zeros_(same.conv2.weight)
    torch.testing.assert_close(same(maps), maps)  # zero residual: the maps themselves


def test_first_weights() -> None:
    torch.manual_seed(0)
    block = DownBlock(64, 128)
    assert block.conv2.weight.std().item() == pytest.approx(math.sqrt(4 / (9 * (64 + 128))), rel=0.02)
    assert isinstance(block.shortcut, nn.Conv2d)
    assert block.shortcut.weight.std().item() == pytest.approx(math.sqrt(2 / (64 + 128)), rel=0.02)
