"""Discriminators that are told a condition: published counts, and what they do with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganpipe.nets.conditional import (
    Discriminator,
    Heads,
    JointConv,
    JointMLP,
    Projection,
    ProjectionHead,
    TrunkConv,
    TrunkMLP,
    book_generator,
)

SHAPE = (1, 16, 16)
BUILD = {
    "joint mlp": lambda: JointMLP(SHAPE, 3, (8,)),
    "joint conv": lambda: JointConv(SHAPE, 3, 4),
    "heads mlp": lambda: Heads(TrunkMLP(SHAPE, (8,)), 3),
    "heads conv": lambda: Heads(TrunkConv(SHAPE, 4), 3),
    "projection mlp": lambda: Projection(TrunkMLP(SHAPE, (8,)), 3),
    "projection conv": lambda: Projection(TrunkConv(SHAPE, 4), 3),
}


def built(name: str) -> Discriminator:
    torch.manual_seed(0)
    return BUILD[name]().eval()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_books_networks_have_its_parameter_counts() -> None:
    assert count(JointMLP((1, 28, 28), 10, (200,))) == 159_601
    assert count(book_generator(110, (1, 28, 28), (200,))) == 180_184


def test_the_books_layers() -> None:
    body = JointMLP((1, 28, 28), 10, (200,)).body
    assert [type(layer) for layer in body] == [nn.Linear, nn.LeakyReLU, nn.LayerNorm, nn.Linear]
    assert isinstance(body[1], nn.LeakyReLU) and body[1].negative_slope == 0.02
    generator = book_generator(110, (1, 28, 28), (200,))
    assert [type(layer) for layer in generator.body] == [nn.Linear, nn.LeakyReLU, nn.LayerNorm, nn.Linear]
    latents = torch.randn(3, 110)
    expected = 2 * torch.sigmoid(generator.body(latents)) - 1  # the book's sigmoid, on [-1, 1]
    torch.testing.assert_close(generator(latents).flatten(1), expected)


@pytest.mark.parametrize("name", BUILD)
def test_one_row_of_verdicts_per_image_and_condition(name: str) -> None:
    network = built(name)
    images, conditions = torch.randn(5, *SHAPE), torch.eye(3)[[0, 1, 2, 0, 1]]
    verdicts = network.judge(network.features(images), conditions)
    assert verdicts.shape == (5, 2 if "heads" in name else 1)


@pytest.mark.parametrize("name", BUILD)
def test_the_verdict_on_the_match_depends_on_the_condition_and_that_on_the_quality_does_not(name: str) -> None:
    network = built(name)
    seen = network.features(torch.randn(5, *SHAPE))
    one, other = (network.judge(seen, torch.eye(3)[[k] * 5]) for k in (0, 1))
    assert (one[:, -1] != other[:, -1]).all()
    if "heads" in name:
        assert torch.equal(one[:, 0], other[:, 0])


def test_a_projection_by_hand() -> None:
    head = ProjectionHead(2, 3)
    with torch.no_grad():
        head.psi.weight.copy_(torch.tensor([[1.0, 10.0]]))
        head.psi.bias.fill_(0.5)
        head.embed.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))  # a column per condition
    features = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    # psi: 1 + 20 + 0.5 = 21.5 and 3 - 10 + 0.5 = -6.5; class 0: 1 + 8 = 9; class 2: 9 - 6 = 3
    assert head(features, torch.eye(3)[[0, 2]]).flatten().tolist() == [30.5, -3.5]
    # two attributes add up: (1 + 2) * 1 + (4 + 5) * 2 = 21; none leaves psi alone
    assert head(features, torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])).flatten().tolist() == [42.5, -6.5]


def test_the_condition_stands_beside_the_channels_as_constant_maps() -> None:
    network = JointConv((3, 16, 16), 2, 4)
    given: list[torch.Tensor] = []
    network.body.layers.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    images = torch.randn(2, 3, 16, 16)
    network.judge(network.features(images), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert torch.equal(given[0][:, :3], images)
    assert torch.equal(given[0][0, 3:], torch.stack([torch.ones(16, 16), torch.zeros(16, 16)]))
    assert torch.equal(given[0][1, 3:], torch.stack([torch.zeros(16, 16), torch.ones(16, 16)]))


def test_features_of_the_convolutional_trunk() -> None:
    trunk = TrunkConv((1, 28, 28), 8)  # 8 and 16 maps, then 32 features
    assert trunk.width == 32
    assert trunk(torch.randn(2, 1, 28, 28)).shape == (2, 32)
