"""The authors' convolutional networks of WGAN-GP: counts, sizes of maps, crops, first weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganpipe.errors import ConfigError
from ganpipe.nets.sizes import levels
from ganpipe.nets.wgan_gp import Critic, Generator, init_wgan_gp


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def sizes_in(network: nn.Module, inputs: Tensor, kind: type[nn.Module]) -> list[tuple[int, ...]]:
    """The shapes of what the layers of a kind return, without the batch."""
    found: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, kind):
            layer.register_forward_hook(lambda _, __, out: found.append(tuple(out.shape[1:])))
    network(inputs)
    return found


def test_mnist() -> None:
    generator = Generator(128, (1, 28, 28), 64, batch_norm=False, squash=torch.sigmoid)
    critic = Critic((1, 28, 28), 64)
    # by hand: 128*4096+4096, then 25*(256*128)+128, 25*(128*64)+64, 25*64+1
    assert count(generator) == 528_384 + 819_328 + 204_864 + 1_601 == 1_554_177
    assert count(critic) == 1_664 + 204_928 + 819_456 + 4_097 == 1_030_145
    grown = sizes_in(generator, torch.randn(2, 128), nn.ConvTranspose2d)
    assert grown == [(128, 8, 8), (64, 14, 14), (1, 28, 28)]  # the first is cropped to 7x7 before the second
    shrunk = sizes_in(critic, torch.randn(2, 1, 28, 28), nn.Conv2d)
    assert shrunk == [(64, 14, 14), (128, 7, 7), (256, 4, 4)]
    assert not [m for m in generator.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]


def test_cifar() -> None:
    generator = Generator(128, (3, 32, 32), 128, batch_norm=True, squash=torch.tanh)
    critic = Critic((3, 32, 32), 128)
    convolutions, norms = 3_277_056 + 819_328 + 9_603, 16_384 + 512 + 256
    assert count(generator) == 1_056_768 + convolutions + norms == 5_179_907
    assert count(critic) == 9_728 + 819_456 + 3_277_312 + 8_193 == 4_114_689
    assert sizes_in(generator, torch.randn(2, 128), nn.ConvTranspose2d) == [(256, 8, 8), (128, 16, 16), (3, 32, 32)]
    assert not [m for m in critic.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]


def test_the_crop_takes_the_last_row_and_column_away() -> None:
    torch.manual_seed(0)
    generator = Generator(3, (1, 28, 28), 2, batch_norm=False, squash=nn.Identity())
    latents = torch.randn(2, 3)
    maps = torch.relu(generator.start[0](latents)).view(2, 8, 4, 4)
    maps = torch.relu(generator.grow[0][0](maps))[:, :, :-1, :-1]
    maps = torch.relu(generator.grow[1][0](maps))
    torch.testing.assert_close(generator(latents), generator.grow[2](maps))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 30, 17), (1, 9, 64), (3, 64, 64)])
def test_one_image_per_latent_and_one_score_per_image(shape: tuple[int, int, int]) -> None:
    images = Generator(5, shape, 2, batch_norm=True, squash=torch.tanh)(torch.randn(3, 5))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert Critic(shape, 2)(images).shape == (3,)


def test_levels() -> None:
    assert [side for side, _ in levels(28, 28)] == [28, 14, 7, 4]
    assert levels(32, 64) == [(32, 64), (16, 32), (8, 16), (4, 8)]
    with pytest.raises(ConfigError, match="8x8 are too small to be halved twice"):
        levels(8, 8)


@pytest.mark.parametrize(
    ("layer", "fans"),
    [
        (nn.Conv2d(40, 60, 5), 25 * (40 + 60)),
        (nn.Conv2d(40, 60, 5, 2), 25 * (40 + 60 / 4)),
        (nn.ConvTranspose2d(60, 40, 5, 2), 25 * (40 + 60 / 4)),
    ],
)
def test_first_weights_are_uniform_with_the_authors_deviation(layer: nn.Conv2d, fans: float) -> None:
    torch.manual_seed(0)
    init_wgan_gp(layer)
    std = math.sqrt(4 / fans)
    assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
    assert layer.weight.abs().max().item() == pytest.approx(std * math.sqrt(3), rel=0.01)
    assert layer.bias is not None and not layer.bias.any()


def test_linear_layers_start_with_half_the_variance() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(128, 512)
    init_wgan_gp(layer)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 640), rel=0.02)
    assert not layer.bias.any()
