"""Networks from pictures to pictures: published parameter counts, patches, shapes, first weights, refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganpipe.errors import ConfigError
from ganpipe.nets import stargan
from ganpipe.nets.layers import init_normal
from ganpipe.nets.patchgan import PatchGAN, receptive_field
from ganpipe.nets.translator import Translator
from ganpipe.nets.unet import UNet


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(build: object, *args: object, **kwargs: object) -> nn.Module:
    """Build a network without memory for its weights."""
    with torch.device("meta"):
        return build(*args, **kwargs)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("channels", "side", "features", "parameters"),
    [(3, 256, 64, 54_413_955), (3, 128, 64, 41_828_995), (1, 32, 64, 16_652_929), (1, 32, 32, 4_164_929)],
)
def test_unet_has_the_published_counts(channels: int, side: int, features: int, parameters: int) -> None:
    assert count(on_meta(UNet, (channels, side, side), channels, features)) == parameters


def test_unet_256_has_the_published_buffers() -> None:
    assert sum(values.numel() for values in on_meta(UNet, (3, 256, 256), 3, 64).buffers()) == 9869


@pytest.mark.parametrize(
    ("channels", "layers", "norm", "parameters"),
    [
        (6, 3, "batch", 2_768_705),
        (3, 3, "instance", 2_764_737),
        (6, 1, "batch", 139_585),
        (6, 2, "batch", 666_433),
        (6, 4, "batch", 6_964_033),
        (6, 5, "batch", 11_159_361),
        (6, 0, "batch", 9024),
    ],
)
def test_patchgan_has_the_published_counts(channels: int, layers: int, norm: str, parameters: int) -> None:
    assert count(on_meta(PatchGAN, (channels, 256, 256), 64, layers, norm)) == parameters


@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_378_179), (6, 7_837_699)])
def test_translator_has_the_published_counts(blocks: int, parameters: int) -> None:
    assert count(on_meta(Translator, (3, 256, 256), 3, 64, blocks)) == parameters


@pytest.mark.parametrize(("domains", "parameters"), [(5, 8_430_528), (8, 8_439_936), (15, 8_461_888)])
def test_stargan_generator_has_the_published_counts(domains: int, parameters: int) -> None:
    assert count(on_meta(stargan.Generator, (3, 128, 128), domains, 64, 6)) == parameters


@pytest.mark.parametrize(
    ("domains", "side", "parameters"),
    [(5, 128, 44_762_048), (8, 128, 44_786_624), (5, 256, 44_884_928), (13, 256, 45_147_072)],
)
def test_stargan_discriminator_has_the_published_counts(domains: int, side: int, parameters: int) -> None:
    assert count(on_meta(stargan.Discriminator, (3, side, side), domains, 64)) == parameters


@pytest.mark.parametrize(("layers", "side"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_a_patch_is_what_one_number_depends_on(layers: int, side: int) -> None:
    assert receptive_field(layers) == side
    shape = (1, 320, 320)
    patches = PatchGAN(shape, 1, layers, "none")
    images = torch.zeros(1, *shape, requires_grad=True)
    for convolution in patches.modules():
        if isinstance(convolution, nn.Conv2d):
            nn.init.ones_(convolution.weight)
    found = patches(images)
    middle = found.shape[1] // 2
    (gradient,) = torch.autograd.grad(found[0, middle, middle], images)
    assert (gradient[0, 0] != 0).any(dim=0).sum() == side


@pytest.mark.parametrize(("layers", "places"), [(0, 256), (1, 126), (2, 62), (3, 30), (4, 14), (5, 6)])
def test_number_of_patches(layers: int, places: int) -> None:
    assert PatchGAN((1, 256, 256), 1, layers)(torch.zeros(1, 1, 256, 256)).shape == (1, places, places)


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 64, 64), (3, 20, 28)])
def test_a_picture_becomes_a_picture_of_its_size(shape: tuple[int, int, int], upsampling: str) -> None:
    images = torch.rand(2, *shape) * 2 - 1
    made = {
        "translator": Translator(shape, 2, 4, 2, upsampling)(images),
        "stargan": stargan.Generator(shape, 3, 4, 2, upsampling)(images, torch.eye(3)[:2]),
    }
    if shape[1] == shape[2]:
        made["unet"] = UNet(shape, 2, 2, upsampling=upsampling)(images)
    for name, found in made.items():
        assert found.shape == (2, shape[0] if name == "stargan" else 2, *shape[1:]), name
        assert found.abs().max() <= 1


@pytest.mark.parametrize(("side", "dropped"), [(16, 0), (32, 1), (64, 2), (128, 3), (256, 3)])
def test_unet_drops_in_at_most_three_of_the_widest_layers_from_the_single_place_on(side: int, dropped: int) -> None:
    network = on_meta(UNet, (3, side, side), 3, 64)
    has = [any(isinstance(one, nn.Dropout) for one in layer.modules()) for layer in network.up]
    assert sum(has) == dropped
    assert has[len(has) - dropped :] == [True] * dropped


def test_unet_without_dropout_has_no_noise() -> None:
    network = UNet((3, 32, 32), 3, 8, dropout=0.0)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network(images), network(images), rtol=0, atol=0)
    noisy = UNet((3, 32, 32), 3, 8)
    assert (noisy(images) != noisy(images)).any()


def test_unet_sees_every_level_of_the_encoder() -> None:
    network = UNet((1, 32, 32), 1, 2, dropout=0.0).eval()
    images = torch.rand(1, 1, 32, 32)
    before = network(images)
    for layer in network.down:
        with torch.no_grad():
            kept = layer[-1].weight.clone()
            layer[-1].weight.mul_(-3)
            assert (network(images) != before).any()
            layer[-1].weight.copy_(kept)
    torch.testing.assert_close(network(images), before)


def test_stargan_tells_domains_apart_and_judges_patches() -> None:
    images = torch.rand(2, 3, 64, 64)
    network = stargan.Generator((3, 64, 64), 2, 4, 1)
    assert (network(images, torch.eye(2)) != network(images, 1 - torch.eye(2))).any()
    patches, domains = stargan.Discriminator((3, 64, 64), 5, 4)(images)
    assert patches.shape == (2, 2, 2) and domains.shape == (2, 5)


def test_statistics_of_instance_norms_are_those_of_the_picture_in_training_and_after() -> None:
    images = torch.rand(3, 3, 32, 32)
    for network, more in ((Translator((3, 32, 32), 3, 4, 1), ()), (stargan.Generator((3, 32, 32), 1, 4, 1), (1,))):
        inputs = [torch.ones(3, one) for one in more]
        torch.testing.assert_close(
            network.train()(images, *inputs)[1:2], network.eval()(images[1:2], *(i[1:2] for i in inputs))
        )
        assert not list(network.buffers())


def test_first_weights_are_the_papers() -> None:
    torch.manual_seed(0)
    network = UNet((3, 64, 64), 3, 32).apply(init_normal)
    convolutions = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]
    weights = torch.cat([one.weight.flatten() for one in convolutions])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert all(not one.bias.any() for one in convolutions if one.bias is not None)
    scales = torch.cat([one.weight for one in network.modules() if isinstance(one, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.005) and scales.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: UNet((3, 48, 48), 3, 2), "power of 2, such as 64 or 256 pixels, not 48 x 48"),
        (lambda: UNet((3, 32, 64), 3, 2), "not 64 x 32"),
        (
            lambda: Translator((3, 30, 32), 3, 2, 1),
            "32 x 30 pixels: this generator needs sides that are multiples of 4",
        ),
        (lambda: stargan.Generator((3, 32, 30), 2, 2, 1), "multiples of 4"),
        (lambda: stargan.Discriminator((3, 100, 100), 2, 2), "100 x 100 pixels do not halve evenly"),
        (lambda: PatchGAN((3, 16, 16), 2, 3), "16 x 16 pixels are too small for a PatchGAN of 3 layers; it needs 24"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_one_line(build: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()  # type: ignore[operator]
