"""The book's convolutional face GAN: published counts, sizes of maps, sides it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganpipe.errors import ConfigError
from ganpipe.nets.faces import Discriminator, Generator, leaky_relu
from ganpipe.nets.sizes import start_of

FACES = (3, 128, 128)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def sides(network: nn.Module, inputs: Tensor, kind: type[nn.Module]) -> list[int]:
    found: list[int] = []
    for layer in network.modules():
        if isinstance(layer, kind):
            layer.register_forward_hook(lambda _, __, out: found.append(out.shape[-1]))
    network(inputs)
    return found


@pytest.mark.parametrize("activation", [leaky_relu, nn.GELU])
def test_published_counts(activation: Callable[[], nn.Module]) -> None:
    assert count(Generator(100, FACES, 256, activation)) == 4_330_816
    assert count(Discriminator(FACES, 256, activation)) == 4_294_448


def test_sides_of_maps() -> None:
    generator, discriminator = Generator(5, FACES, 2, nn.GELU), Discriminator(FACES, 2, nn.GELU)
    assert sides(generator, torch.randn(2, 5), nn.ConvTranspose2d) == [28, 62, 128]
    assert sides(discriminator, torch.randn(2, *FACES), nn.Conv2d) == [61, 27, 10]


def test_activations_are_the_notebooks() -> None:
    leaky, gelu = Discriminator(FACES, 2, leaky_relu), Discriminator(FACES, 2, nn.GELU)
    assert [m.negative_slope for m in leaky.modules() if isinstance(m, nn.LeakyReLU)] == [0.2] * 3
    assert len([m for m in gelu.modules() if isinstance(m, nn.GELU)]) == 3
    assert not [m for m in gelu.modules() if isinstance(m, nn.LeakyReLU)]


@pytest.mark.parametrize("shape", [FACES, (1, 56, 64), (3, 72, 56)])
def test_one_image_per_latent_and_one_number_per_image(shape: tuple[int, int, int]) -> None:
    images = Generator(7, shape, 2, leaky_relu)(torch.randn(3, 7))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert Discriminator(shape, 2, leaky_relu)(images).shape == (3,)
    assert Discriminator(shape, 2, leaky_relu, outputs=4).outputs(images).shape == (3, 4)
    plain = Discriminator(shape, 2, leaky_relu, batch_norm=False)
    assert not [m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]


def test_sides_that_do_not_fit_are_refused() -> None:
    assert [start_of(side) for side in (56, 64, 128)] == [2, 3, 11]
    for side in (48, 50, 60, 127, 130):
        with pytest.raises(ConfigError, match=f"a side of {side} do not fit"):
            Generator(7, (3, side, 128), 2, leaky_relu)
