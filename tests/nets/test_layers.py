"""Shared layers: minibatch standard deviation and spectral norm, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganpipe.nets.layers import MinibatchStd, normalise_spectrally, signed_sigmoid


def added(maps: Tensor, group: int) -> list[float]:
    """The one number that was added to each image; the maps before it are unchanged."""
    found = MinibatchStd(group)(maps)
    assert torch.equal(found[:, :-1], maps)
    numbers = found[:, -1].flatten(1)
    assert torch.equal(numbers, numbers[:, :1].expand_as(numbers))  # the same at all places
    return numbers[:, 0].tolist()


def test_identical_images_are_seen_as_such() -> None:
    image = torch.randn(1, 3, 4, 4)
    assert added(image.expand(8, 3, 4, 4), 4) == pytest.approx([0] * 8, abs=1.1e-4)  # sqrt(1e-8)
    assert min(added(torch.randn(8, 3, 4, 4), 4)) > 0.3


def test_the_number_is_the_mean_deviation_over_all_features_and_places() -> None:
    maps = torch.zeros(2, 1, 1, 2)
    maps[0, 0, 0] = torch.tensor([1.0, 10.0])
    maps[1, 0, 0] = torch.tensor([3.0, 4.0])  # deviations from the mean of two: 1 and 3
    assert added(maps, 2) == pytest.approx([2.0, 2.0])


def test_images_of_a_group_lie_apart() -> None:
    maps = torch.tensor([0.0, 0.0, 2.0, 8.0]).view(4, 1, 1, 1)  # groups of two: 0 with 2, 0 with 8
    assert added(maps, 2) == pytest.approx([1.0, 4.0, 1.0, 4.0])


@pytest.mark.parametrize(("n", "group", "size"), [(6, 4, 3), (7, 4, 1), (2, 4, 2), (8, 4, 4), (9, 5, 3)])
def test_a_group_that_does_not_divide_the_batch_is_made_smaller(n: int, group: int, size: int) -> None:
    torch.manual_seed(0)
    maps = torch.randn(n, 2, 3, 3)
    assert added(maps, group) == pytest.approx(added(maps, size))
    assert len({round(number, 5) for number in added(maps, group)}) == (n // size if size > 1 else 1)


def test_it_can_be_learned_from() -> None:
    maps = torch.randn(4, 1, 2, 2, requires_grad=True)
    MinibatchStd(4)(maps)[:, -1].sum().backward()
    assert maps.grad is not None and maps.grad.abs().min() > 0


def test_largest_singular_values_are_one_after_warm_up() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 4, 5))
    layers = [net[0], net[3]]
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(20)
    plain = [layer.weight.detach().clone() for layer in layers]
    normalise_spectrally(net)
    images = torch.randn(2, 3, 4, 4)
    for _ in range(60):
        net(images)
    for layer, before in zip(layers, plain, strict=True):
        weight = layer.weight.detach().flatten(1)  # (out, in * k * k)
        assert torch.linalg.svdvals(weight)[0].item() == pytest.approx(1, abs=1e-3)
        largest = torch.linalg.svdvals(before.flatten(1))[0]
        assert largest > 5
        torch.testing.assert_close(weight, before.flatten(1) / largest, rtol=2e-3, atol=1e-4)
    assert type(net[1]) is nn.BatchNorm2d


def test_the_iteration_moves_in_training_only() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 6))
    normalise_spectrally(net)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    inputs = torch.randn(2, 6)
    assert torch.equal(net.eval()(inputs), net(inputs))
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    net.train()(inputs)
    assert any(not torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_signed_sigmoid() -> None:
    found = signed_sigmoid(torch.tensor([-100.0, 0.0, 100.0]))
    assert found.tolist() == [-1, 0, 1]
