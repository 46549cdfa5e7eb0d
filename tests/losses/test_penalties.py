"""Gradient penalties: closed forms and hand-written derivatives."""

from __future__ import annotations

import pytest
import torch

from ganpipe.losses.penalties import gradient_penalty, r1_penalty


@pytest.mark.parametrize("shape", [(6,), (3, 4, 5)])
def test_of_a_linear_critic_it_is_the_squared_distance_of_its_slope_from_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape, dtype=torch.float64)
    real, fake = torch.randn(2, 7, *shape, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: (x * weight).flatten(1).sum(dim=1), real, fake)
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-12)


def test_it_is_taken_between_each_real_and_its_fake() -> None:
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(dim=1)

    torch.manual_seed(0)
    real, fake = torch.randn(2, 50, 3, 2, 2, dtype=torch.float64)
    penalty = gradient_penalty(critic, real, fake)
    (mixed,) = seen
    place = (mixed - fake) / (real - fake)
    per_pair = place.flatten(1)
    assert (per_pair - per_pair[:, :1]).abs().max() < 1e-9  # one place per pair, the same in every pixel
    assert 0 <= per_pair.min() < 0.15
    assert 0.85 < per_pair.max() <= 1
    expected = (2 * mixed.flatten(1).norm(dim=1) - 1).square().mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-12)


def test_it_can_be_differentiated_for_the_critic() -> None:
    torch.manual_seed(0)
    slope = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    real, fake = torch.randn(2, 5, 1, dtype=torch.float64)
    gradient_penalty(lambda x: slope * x.flatten(), real, fake).backward()
    assert slope.grad is not None
    assert slope.grad.item() == pytest.approx(2 * (2 - 1))  # d/ds (|s| - 1)^2


@pytest.mark.parametrize("shape", [(6,), (3, 4, 5)])
def test_r1_of_a_linear_discriminator_is_half_its_squared_slope(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape, dtype=torch.float64)
    real = torch.randn(7, *shape, dtype=torch.float64)
    penalty = r1_penalty(lambda x: (x * weight).flatten(1).sum(dim=1), real)
    assert penalty.item() == pytest.approx(weight.square().sum().item() / 2, rel=1e-12)


def test_r1_is_the_mean_over_the_real_images_and_can_be_differentiated() -> None:
    slope = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    real = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    penalty = r1_penalty(lambda x: slope * x.square().sum(dim=1), real)  # gradients 2 * 3 * x: 6 and 12
    assert penalty.item() == (36 + 144) / 4
    penalty.backward()
    assert slope.grad is not None
    assert slope.grad.item() == pytest.approx((2 * 3 * 4 + 2 * 3 * 16) / 4)
    assert not real.requires_grad
