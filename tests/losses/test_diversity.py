"""Terms for diversity: numbers worked out by hand, and where their gradients push."""

from __future__ import annotations

import math

import pytest
import torch

from ganpipe.losses.diversity import class_balance, mode_seeking


def test_mode_seeking_by_hand() -> None:
    latents = torch.tensor([[0.0, 0.0], [1.0, 3.0]])  # 2 apart on average
    images = torch.tensor([[[[0.0, 1.0]]], [[[0.5, 0.5]]]])  # 0.5 apart
    assert mode_seeking(latents, images).item() == pytest.approx(1 / (0.25 + 1e-5))


def test_each_latent_is_paired_with_the_one_before_it() -> None:
    latents = torch.tensor([[0.0], [1.0], [3.0]])
    images = torch.tensor([[0.0], [2.0], [3.0]])
    ratios = [3 / 3, 2 / 1, 1 / 2]  # 0 with 3, 1 with 0, 3 with 1
    assert mode_seeking(latents, images).item() == pytest.approx(1 / (sum(ratios) / 3 + 1e-5))


def test_a_collapsed_generator_pays_most() -> None:
    latents = torch.randn(8, 4)
    assert mode_seeking(latents, torch.ones(8, 1, 2, 2)).item() == pytest.approx(1e5)
    assert mode_seeking(latents, latents).item() == pytest.approx(1, rel=1e-4)


def test_mode_seeking_pushes_images_apart_and_needs_two() -> None:
    torch.manual_seed(0)
    images = torch.tensor([[0.1], [-0.1]], requires_grad=True)
    mode_seeking(torch.randn(2, 3), images).backward()
    assert images.grad is not None
    assert images.grad[0].item() < 0 < images.grad[1].item()  # a step down the gradient widens the gap
    with pytest.raises(ValueError, match="at least two"):
        mode_seeking(torch.randn(1, 3), torch.randn(1, 1))


def test_class_balance_is_zero_when_all_classes_are_drawn_alike_and_log_k_when_one_is() -> None:
    even = 60 * torch.eye(4, dtype=torch.float64)
    assert class_balance(even).item() == pytest.approx(0, abs=1e-9)
    assert class_balance(torch.zeros(5, 4)).item() == pytest.approx(0, abs=1e-6)  # unsure of all is even too
    one = torch.zeros(5, 4, dtype=torch.float64)
    one[:, 2] = 1000
    assert class_balance(one).item() == pytest.approx(math.log(4))


def test_class_balance_by_hand() -> None:
    share = torch.tensor([0.75, 0.25], dtype=torch.float64)
    expected = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert class_balance(share.log()[None]).item() == pytest.approx(expected)


def test_class_balance_pushes_towards_the_missing_class() -> None:
    logits = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]], requires_grad=True)
    class_balance(logits).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 2] < 0).all()  # a step down the gradient raises it
    assert logits.grad[0, 0] > 0 < logits.grad[1, 1]
