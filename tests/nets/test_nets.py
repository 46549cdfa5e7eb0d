"""Networks: published parameter counts, shapes, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganpipe.errors import ConfigError
from ganpipe.nets.dcgan import Discriminator, Generator, init_dcgan
from ganpipe.nets.mlp import mlp
from ganpipe.nets.sizes import halvings


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("channels", "generator", "discriminator"), [(3, 3_576_704, 2_765_568), (1, 3_574_656, 2_763_520)]
)
def test_dcgan_has_the_authors_parameter_counts(channels: int, generator: int, discriminator: int) -> None:
    assert count(Generator(100, (channels, 64, 64), 64)) == generator
    assert count(Discriminator((channels, 64, 64), 64)) == discriminator


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 16, 24), (3, 128, 96)])
def test_one_image_per_latent_and_one_number_per_image(shape: tuple[int, int, int]) -> None:
    images = Generator(7, shape, 2)(torch.randn(3, 7))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert Discriminator(shape, 2)(images).shape == (3,)


@pytest.mark.parametrize(("side", "times"), [(8, 1), (14, 1), (28, 2), (32, 3), (64, 4), (128, 5)])
def test_halvings(side: int, times: int) -> None:
    assert halvings(side, side) == times


@pytest.mark.parametrize("size", [(7, 7), (30, 30), (28, 27), (218, 178)])
def test_sizes_that_do_not_halve_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"{size[0]}x{size[1]} do not halve"):
        halvings(*size)


def test_a_critic_without_batch_norm_judges_every_image_alone() -> None:
    critic = Discriminator((1, 28, 28), 4, batch_norm=False)
    images = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(critic(images)[2:3], critic(images[2:3]))
    assert not [m for m in critic.modules() if isinstance(m, nn.BatchNorm2d)]


def test_initial_weights_are_the_papers() -> None:
    torch.manual_seed(0)
    net = Generator(100, (3, 64, 64), 64).apply(init_dcgan)
    scales = [m.weight for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    weights = torch.cat([m.weight.flatten() for m in net.modules() if isinstance(m, nn.ConvTranspose2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    assert torch.cat(scales).mean().item() == pytest.approx(1, abs=0.005)
    assert torch.cat(scales).std().item() == pytest.approx(0.02, rel=0.1)


def test_mlp_order_of_layers() -> None:
    kinds = [type(layer) for layer in mlp((5, 6, 7, 2), "gelu", "batch")]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear]
    assert [type(layer) for layer in mlp((5, 6, 2), "sigmoid")] == [nn.Linear, nn.Sigmoid, nn.Linear]
    kinds = [type(layer) for layer in mlp((5, 6, 2), "leaky_relu", "layer", leaky_slope=0.3)]
    assert kinds == [nn.Linear, nn.LeakyReLU, nn.LayerNorm, nn.Linear]
    assert mlp((5, 6, 2), "leaky_relu", leaky_slope=0.3)[1].negative_slope == 0.3
