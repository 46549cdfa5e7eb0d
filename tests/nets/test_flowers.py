"""The networks of the Flowers GAN: published counts and sizes of maps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganpipe.errors import ConfigError
from ganpipe.nets.flowers import Discriminator, Generator


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_counts() -> None:
    generator, discriminator = Generator(100, (3, 64, 64), 64), Discriminator((3, 64, 64), 64)
    assert count(generator) == 5_134_339
    assert count(discriminator) == 4_316_545
    project, *growing = [m for m in generator.modules() if isinstance(m, nn.Linear | nn.ConvTranspose2d)]
    assert count(project) == 827_392
    assert [count(layer) for layer in growing] == [3_277_056, 819_328, 204_864, 4_803]


def test_sizes_of_maps() -> None:
    generator, discriminator = Generator(5, (3, 64, 64), 2), Discriminator((3, 64, 64), 2)
    maps = torch.randn(2, 5, 1, 1)
    found = []
    for layer in generator.layers:
        maps = layer(maps)
        if not isinstance(layer, nn.BatchNorm2d | nn.ReLU | nn.Tanh):
            found.append(tuple(maps.shape[1:]))
    assert found == [(16, 4, 4), (8, 8, 8), (4, 16, 16), (2, 32, 32), (3, 64, 64)]
    assert isinstance(generator.layers[-1], nn.Tanh)
    assert [layer.p for layer in discriminator.modules() if isinstance(layer, nn.Dropout)] == [0.5]
    assert isinstance(discriminator.layers[0], nn.Dropout)  # half of the input's pixels
    kinds = [type(layer) for layer in discriminator.layers[1:6]]
    assert kinds == [nn.Conv2d, nn.LeakyReLU, nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]  # batch norm from the second on


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 16, 24)])
def test_one_image_per_latent_and_one_number_per_image(shape: tuple[int, int, int]) -> None:
    images = Generator(7, shape, 2)(torch.randn(3, 7))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert Discriminator(shape, 2)(images).shape == (3,)
    assert Discriminator(shape, 2, outputs=4).outputs(images).shape == (3, 4)
    plain = Discriminator(shape, 2, batch_norm=False)
    assert not [m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]


def test_sides_that_do_not_halve_are_refused() -> None:
    with pytest.raises(ConfigError, match="30x30 do not halve"):
        Generator(7, (3, 30, 30), 2)
    with pytest.raises(ConfigError, match="30x30 do not halve"):
        Discriminator((3, 30, 30), 2)
