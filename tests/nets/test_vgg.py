"""VGG: the same features as torchvision's networks at every layer, frozen, and only as deep as asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from ganpipe.errors import ConfigError
from ganpipe.nets.vgg import VGG, Trunk
from ganpipe.nets.vgg_layouts import HED_VGG16, IMAGENET, TORCHVISION_VGG19, Layout

VGG16 = replace(HED_VGG16, preparation=IMAGENET, ceil=False)
MEAN, STD = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def named(layout: Layout, features: nn.Sequential) -> Trunk:
    """The weights of torchvision's features under our names."""
    convs = {name: features[layout.layers.index(name)] for name in layout.convolutions}
    return Trunk("oracle", layout, lambda name: (convs[name].weight.detach(), convs[name].bias.detach()))


def theirs_with_random_weights(configuration: str) -> nn.Sequential:
    """Torchvision's layers, with weights that keep a signal alive through all of them."""
    torch.manual_seed(3)
    layers = make_layers(cfgs[configuration], batch_norm=False)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.normal_(layer.bias, std=0.1)
    return layers


@pytest.fixture(scope="module")
def features() -> nn.Sequential:
    return theirs_with_random_weights("E")


@pytest.fixture(scope="module")
def trunk(features: nn.Sequential) -> Trunk:
    return named(TORCHVISION_VGG19, features)


def images(side: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.no_grad()
def theirs(features: nn.Sequential, inputs: Tensor) -> list[Tensor]:
    found, maps = [], ((inputs + 1) / 2 - MEAN) / STD
    for layer in features:
        maps = layer(maps)
        found.append(maps.clone())  # the next ReLU works in place
    return found


@pytest.mark.parametrize("side", [32, 45])
def test_every_layer_of_vgg19_is_torchvisions(features: nn.Sequential, trunk: Trunk, side: int) -> None:
    ours = VGG(trunk, TORCHVISION_VGG19.layers)(images(side))
    assert len(ours) == len(features) == 37
    for name, expected in zip(TORCHVISION_VGG19.layers, theirs(features, images(side)), strict=True):
        assert ours[name].shape == expected.shape, name
        assert torch.allclose(ours[name], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())), name


def test_vgg16_is_torchvisions() -> None:
    features = theirs_with_random_weights("D")
    ours = VGG(named(VGG16, features), VGG16.layers)(images(32))
    assert len(ours) == len(features) == 31
    for name, expected in zip(VGG16.layers, theirs(features, images(32)), strict=True):
        assert torch.allclose(ours[name], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())), name


@pytest.mark.parametrize(
    ("layout", "layer", "parameters"),
    [
        (TORCHVISION_VGG19, "conv5_4", 20_024_384),
        (TORCHVISION_VGG19, "pool5", 20_024_384),
        (VGG16, "pool5", 14_714_688),
        (VGG16, "relu4_3", 7_635_264),
        (VGG16, "conv1_1", 1_792),
    ],
)
def test_published_counts_and_nothing_deeper_than_asked_for(layout: Layout, layer: str, parameters: int) -> None:
    def empty(name: str) -> tuple[Tensor, Tensor]:
        narrow, wide = layout.channels(name)
        return torch.empty(wide, narrow, 3, 3), torch.empty(wide)

    network = VGG(Trunk("empty", layout, empty), [layer])
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(("index", "layer"), [(0, "conv1_1"), (3, "relu1_2"), (18, "pool3"), (34, "conv5_4")])
def test_the_place_of_a_name_is_torchvisions_index(index: int, layer: str) -> None:
    assert TORCHVISION_VGG19.layers[index] == layer


def test_gradients_reach_the_images_and_no_weight(trunk: Trunk) -> None:
    network = VGG(trunk, ["relu2_1", "conv3_4"])
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    inputs = images(16).requires_grad_()
    found = network(inputs)
    assert list(found) == ["relu2_1", "conv3_4"]
    sum(maps.square().mean() for maps in found.values()).backward()
    assert inputs.grad is not None and (inputs.grad != 0).float().mean() > 0.9
    assert all(parameter.grad is None for parameter in network.parameters())


def test_zero_padding_means_the_mean_colour(trunk: Trunk) -> None:
    mean = (MEAN * 2 - 1).expand(1, 3, 8, 8)
    maps = VGG(trunk, ["conv1_1"])(mean)["conv1_1"]
    assert torch.allclose(maps, trunk.conv("conv1_1")[1][None, :, None, None].expand_as(maps), atol=1e-5)


def test_grey_is_colour_of_equal_channels(trunk: Trunk) -> None:
    network, grey = VGG(trunk, ["relu2_2"]), images(16, channels=1)
    assert torch.equal(network(grey)["relu2_2"], network(grey.repeat(1, 3, 1, 1))["relu2_2"])


def test_channels_are_turned_round_for_networks_that_saw_blue_first(trunk: Trunk) -> None:
    blue_first = replace(IMAGENET, channels="bgr", mean=IMAGENET.mean[::-1], std=IMAGENET.std[::-1])
    layout = replace(TORCHVISION_VGG19, preparation=blue_first)

    def turned(name: str) -> tuple[Tensor, Tensor]:
        kernel, bias = trunk.conv(name)
        return (kernel.flip(1) if name == "conv1_1" else kernel), bias

    ours = VGG(Trunk("turned", layout, turned), ["relu1_2"])(images(16))["relu1_2"]
    assert torch.allclose(ours, VGG(trunk, ["relu1_2"])(images(16))["relu1_2"], atol=1e-5)


def test_average_pools_are_means_of_four_and_keep_an_odd_row_where_the_layout_does(trunk: Trunk) -> None:
    found = VGG(trunk, ["relu1_2", "pool1"], pool="average")(images(16))
    means = found["relu1_2"].unflatten(3, (8, 2)).unflatten(2, (8, 2)).mean((3, 5))
    assert torch.allclose(found["pool1"], means, atol=1e-6)
    odd = VGG(Trunk("odd", replace(trunk.layout, ceil=True), trunk.conv), ["relu1_2", "pool1"], pool="average")
    found = odd(images(15))
    assert found["pool1"].shape[2:] == (8, 8)
    assert torch.allclose(found["pool1"][..., -1, -1], found["relu1_2"][..., -1, -1])


def test_building_draws_no_random_numbers(trunk: Trunk) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    VGG(trunk, ["conv2_1"])
    assert torch.equal(torch.rand(3), expected)


def test_in_double_precision_it_stays_double(trunk: Trunk) -> None:
    network = VGG(trunk, ["conv1_2"]).double()
    maps = network(images(8).double())["conv1_2"]
    assert maps.dtype == torch.float64
    assert torch.allclose(maps.float(), VGG(trunk, ["conv1_2"])(images(8))["conv1_2"], atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "message"),
    [(["conv4_5"], r"trunk oracle has no layer 'conv4_5'; it has conv1_1, relu1_1"), ([], "needs one layer or more")],
)
def test_unknown_layers_are_refused(trunk: Trunk, layers: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VGG(trunk, layers)


@pytest.mark.parametrize(("shape", "message"), [((2, 16, 16), "1 or 3 channels, not 2"), ((3, 7, 9), "7x9.*8 pixels")])
def test_images_that_do_not_fit_are_refused(trunk: Trunk, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VGG(trunk, ["pool3"])(torch.zeros(1, *shape))
