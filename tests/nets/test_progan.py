"""Networks that grow: published counts, the ends of a fade, weights at run time, and the layers by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganpipe.errors import ConfigError
from ganpipe.nets import progan
from ganpipe.nets.progan import Critic, EqualConv2d, EqualLinear, Generator, PixelNorm, Start, doubled
from ganpipe.nets.sizes import doublings, growing_widths

SHAPE = (3, 32, 32)
LAST = 3  # the level of 32x32
ALPHAS = (0.0, 0.3, 1.0)


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def published(channels: int, side: int) -> tuple[Generator, Critic]:
    """The networks of the paper, without memory for their weights."""
    with torch.device("meta"):
        shape = (channels, side, side)
        return Generator(512, shape, 8192, 512), Critic(shape, 8192, 512)


@pytest.mark.parametrize(
    ("channels", "side", "generator", "critic"),
    [
        (3, 8, 11_277_318, 11_283_457),
        (3, 16, 15_998_473, 16_005_121),
        (3, 32, 20_719_628, 20_726_785),
        (3, 64, 22_490_383, 22_498_049),
        (3, 128, 22_933_394, 22_941_313),
        (3, 256, 23_044_309, 23_052_353),
        (3, 512, 23_072_120, 23_080_225),
        (3, 1024, 23_079_115, 23_087_249),
        (1, 32, 20_715_524, 20_722_689),
    ],
)
def test_networks_have_the_published_counts(channels: int, side: int, generator: int, critic: int) -> None:
    found = published(channels, side)
    assert (count(found[0]), count(found[1])) == (generator, critic)


def test_what_makes_4x4_has_the_published_counts() -> None:
    generator, critic = published(3, 8)
    assert count(generator.first, generator.to_image[0]) == 6_556_163
    assert count(critic.last, critic.from_image[0]) == 6_561_793


def test_the_published_numbers_of_maps() -> None:
    assert growing_widths(8192, 512, 9) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert growing_widths(100, 30, 3) == [30, 25, 12]
    with pytest.raises(ConfigError, match=r"32 pixels a side would be 8 / 2\^4.*set system.features_base: 16 or more"):
        growing_widths(8, 512, 4)


@pytest.mark.parametrize(("side", "times"), [(8, 1), (16, 2), (128, 5), (1024, 8)])
def test_sides_that_4_reaches_by_doubling(side: int, times: int) -> None:
    assert doublings(side, side) == times


@pytest.mark.parametrize(
    ("size", "instead"),
    [((28, 28), "16 or 32"), ((4, 4), "8 or 16"), ((2, 2), "8 or 16"), ((100, 100), "64 or 128"), ((64, 32), "64")],
)
def test_other_sides_are_refused(size: tuple[int, int], instead: str) -> None:
    with pytest.raises(ConfigError, match=f"images of {size[0]}x{size[1]} .* set data.size: {instead}"):
        doublings(*size)


def networks() -> tuple[Generator, Critic]:
    """Small networks whose biases are not 0."""
    torch.manual_seed(0)
    found = Generator(6, SHAPE, 128, 8), Critic(SHAPE, 128, 8)
    for network in found:
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(parameter)
    return found


def latents(n: int = 5) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(1))


def images(level: int, n: int = 8) -> Tensor:
    return torch.randn(n, 3, 4 << level, 4 << level, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("level", range(LAST + 1))
def test_each_level_draws_and_scores_images_of_its_side(level: int) -> None:
    generator, critic = networks()
    for alpha in ALPHAS if level else (1.0,):
        assert generator(latents(), level, alpha).shape == (5, 3, 4 << level, 4 << level)
        assert critic(images(level), level, alpha).shape == (8,)


@pytest.mark.parametrize("level", range(1, LAST + 1))
def test_a_fade_begins_exactly_with_the_level_before(level: int) -> None:
    generator, critic = networks()
    before = generator(latents(), level - 1, 1.0)
    assert torch.equal(generator(latents(), level, 0.0), doubled(before))
    coarse = images(level - 1)
    assert torch.equal(critic(doubled(coarse), level, 0.0), critic(coarse, level - 1, 1.0))
    assert not torch.allclose(generator(latents(), level, 0.01), doubled(before))


@pytest.mark.parametrize("level", range(1, LAST + 1))
def test_a_fade_ends_exactly_with_the_new_path_alone(level: int) -> None:
    generator, critic = networks()
    drawn, scores = generator(latents(), level, 1.0), critic(images(level), level, 1.0)
    for old in (generator.to_image[level - 1], critic.from_image[level - 1]):
        for parameter in old.parameters():
            nn.init.constant_(parameter, torch.nan)
    assert torch.equal(generator(latents(), level, 1.0), drawn)
    assert torch.equal(critic(images(level), level, 1.0), scores)
    torch.testing.assert_close(networks()[0](latents(), level, 1 - 1e-9), drawn)
    torch.testing.assert_close(networks()[1](images(level), level, 1 - 1e-9), scores)


def test_half_a_fade_is_the_mean_of_its_ends() -> None:
    generator, _ = networks()
    ends = generator(latents(), 2, 0.0) + generator(latents(), 2, 1.0)
    torch.testing.assert_close(generator(latents(), 2, 0.5), ends / 2)


def test_real_images_fade_as_generated_ones_do() -> None:
    real = images(2)
    rough = real.unflatten(2, (8, 2)).unflatten(4, (8, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(progan.faded(real, 0.0), rough.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(progan.faded(real, 0.25), (0.75 * progan.faded(real, 0.0) + 0.25 * real))
    assert torch.equal(progan.faded(real, 1.0), real)
    torch.testing.assert_close(progan.at_level(real, 1), rough)
    torch.testing.assert_close(progan.at_level(real, 0), rough.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5)))
    assert torch.equal(progan.at_level(real, 2), real)


@pytest.mark.parametrize(
    ("layer", "fan_in", "gain"),
    [
        (EqualConv2d(64, 96, 3), 64 * 9, math.sqrt(2)),
        (EqualConv2d(64, 640, 1, gain=1.0), 64, 1.0),
        (EqualLinear(256, 300), 256, math.sqrt(2)),
        (Start(128, 64).dense, 16 * 128, math.sqrt(2)),
    ],
)
def test_weights_begin_as_unit_normal_and_have_the_variance_2_over_fan_in_at_run_time(
    layer: EqualConv2d | EqualLinear, fan_in: int, gain: float
) -> None:
    torch.manual_seed(0)
    layer.reset_parameters()
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.02)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.02)
    ones = torch.eye(layer.weight.shape[1])  # one input at a time: the outputs are the weights as they are used
    if isinstance(layer, EqualConv2d):
        ones = F.pad(ones[:, :, None, None], [layer.kernel_size[0] // 2] * 4)
    used = layer(ones)
    assert used.numel() == layer.weight.numel()
    assert used.var().item() == pytest.approx(gain**2 / fan_in, rel=0.04)


def test_the_constant_multiplies_the_weight_and_not_the_bias() -> None:
    for layer in (EqualConv2d(4, 3, 3), EqualLinear(4, 3)):
        nn.init.constant_(layer.bias, 5.0)
        nothing = torch.zeros(1, 4, 2, 2) if isinstance(layer, EqualConv2d) else torch.zeros(1, 4)
        assert torch.equal(layer(nothing), torch.full_like(layer(nothing), 5.0))


def test_the_last_layers_have_gain_1() -> None:
    generator, critic = networks()
    assert all(layer.scale == 1 / math.sqrt(layer.in_channels) for layer in generator.to_image)
    assert critic.last[-1].scale == 1 / math.sqrt(critic.last[-1].in_features)


def test_pixel_norm_by_hand() -> None:
    maps = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1) * torch.tensor([[1.0, 1000.0]]).view(1, 1, 1, 2)
    root = math.sqrt(12.5)
    expected = torch.tensor([3 / root, -4 / root]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    torch.testing.assert_close(PixelNorm()(maps), expected)
    assert torch.equal(PixelNorm()(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_the_length_of_a_latent_does_not_matter() -> None:
    generator, _ = networks()
    torch.testing.assert_close(generator(latents(), 1, 1.0), generator(7 * latents(), 1, 1.0), rtol=1e-4, atol=1e-5)


def test_the_critic_compares_groups_of_four_by_their_population_variance() -> None:
    _, critic = networks()
    seen: list[Tensor] = []
    critic.last[0].register_forward_hook(lambda module, inputs, output: seen.extend((inputs[0], output)))
    critic(images(0), 0, 1.0)
    maps, with_spread = seen
    groups = maps.unflatten(0, (4, 2)).double()  # the images 0, 2, 4, 6 and 1, 3, 5, 7
    variance = (groups - groups.mean(0)).square().sum(0) / 4
    numbers = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))
    expected = numbers.repeat(4)[:, None, None].expand(8, 4, 4).float()
    torch.testing.assert_close(with_spread[:, -1], expected)
    seen.clear()
    critic(images(0)[:1].expand(8, 3, 4, 4), 0, 1.0)
    assert seen[1][:, -1].max().item() <= 1.0001e-4  # sqrt(1e-8) stands for 0
