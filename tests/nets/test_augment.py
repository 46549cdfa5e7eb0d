"""DiffAugment: what each policy may do to an image, at most, and that gradients come through."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganpipe.config.choices import Policy
from ganpipe.nets.augment import color, cutout, diff_augment, translation

ALL: tuple[Policy, ...] = ("color", "translation", "cutout")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("policies", [("color",), ("translation",), ("cutout",), ALL])
@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (4, 3, 16, 24), (2, 2, 7, 9)])
def test_shapes_stay_and_gradients_come_through(policies: tuple[Policy, ...], shape: tuple[int, ...]) -> None:
    images = (torch.rand(shape) * 2 - 1).requires_grad_(True)
    found = diff_augment(images, policies)
    assert found.shape == shape
    assert not torch.equal(found, images)
    found.square().sum().backward()
    assert images.grad is not None
    assert (images.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_no_policy_is_the_very_same_tensor() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert diff_augment(images, ()) is images


@pytest.mark.parametrize("policies", [("color",), ("translation",), ("cutout",), ALL])
def test_the_same_seed_gives_the_same_images_and_each_image_its_own(policies: tuple[Policy, ...]) -> None:
    image = torch.rand(1, 3, 16, 16).expand(12, 3, 16, 16)
    torch.manual_seed(5)
    first = diff_augment(image, policies)
    torch.manual_seed(5)
    assert torch.equal(diff_augment(image, policies), first)
    assert not torch.equal(diff_augment(image, policies), first)
    assert len({tuple(one.flatten().tolist()) for one in first}) > 3


def test_policies_are_taken_in_turn() -> None:
    images = torch.rand(4, 3, 16, 16)
    torch.manual_seed(5)
    found = diff_augment(images, ALL)
    torch.manual_seed(5)
    assert torch.equal(cutout(translation(color(images))), found)


def moved(image: Tensor, down: int, right: int) -> Tensor:
    """The image, (c, h, w), moved and filled with zeros, by slicing."""
    _, height, width = image.shape
    found = torch.zeros_like(image)
    rows, columns = range(max(0, down), min(height, height + down)), range(max(0, right), min(width, width + right))
    for row in rows:
        for column in columns:
            found[:, row, column] = image[:, row - down, column - right]
    return found


def test_translation_moves_by_at_most_an_eighth_and_fills_with_zeros() -> None:
    image = torch.rand(1, 2, 16, 24) + 1  # no zeros of its own
    found = translation(image.expand(400, 2, 16, 24))
    reachable = {
        tuple(moved(image[0], down, right).flatten().tolist()): (down, right)
        for down in range(-2, 3)
        for right in range(-3, 4)
    }
    seen = {reachable[tuple(one.flatten().tolist())] for one in found}  # KeyError: something else happened
    assert {down for down, _ in seen} == set(range(-2, 3))
    assert {right for _, right in seen} == set(range(-3, 4))
    assert len(seen) > 30  # of 35: rows and columns are drawn apart


def holes(side: int, n: int = 2000) -> Tensor:
    """Which pixels `cutout` sets to zero, (n, side, side)."""
    images = torch.rand(n, 2, side, side) + 1
    found = cutout(images)
    cut = found == 0
    assert torch.equal(cut[:, 0], cut[:, 1])  # all channels
    assert torch.equal(found[~cut], images[~cut])  # nothing else changes
    return cut[:, 0]


@pytest.mark.parametrize(("side", "hole", "starts"), [(16, 8, range(-4, 13)), (14, 7, range(-3, 11))])
def test_the_hole_has_half_the_side_around_a_centre_anywhere_in_the_image(side: int, hole: int, starts: range) -> None:
    cut = holes(side)
    rows = cut.any(dim=2)
    seen = set()
    for one, places in zip(cut, rows, strict=True):
        inside = places.nonzero().flatten().tolist()
        assert inside == list(range(inside[0], inside[-1] + 1))
        assert int(one.sum()) == len(inside) * int(one.any(dim=0).sum())  # a rectangle
        start = inside[0] if inside[0] > 0 else inside[-1] + 1 - hole
        assert len(inside) == min(start + hole, side) - max(start, 0)
        seen.add(start)
    assert seen == set(starts)  # from half a hole outside to half a hole outside


def test_colour_stays_within_its_ranges() -> None:
    grey = torch.full((1000, 1, 2, 2), 0.25)
    brightness = color(grey)[:, 0, 0, 0] - 0.25  # a flat grey image has neither saturation nor contrast
    assert -0.5 <= brightness.min() < -0.45
    assert 0.45 < brightness.max() <= 0.5

    black_and_white = torch.tensor([-0.5, 0.5]).view(1, 1, 1, 2).expand(1000, 1, 1, 2)
    contrast = color(black_and_white).diff(dim=3).flatten()
    assert 0.5 <= contrast.min() < 0.55
    assert 1.45 < contrast.max() <= 1.5

    red = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(4000, 2, 1, 1)  # flat: contrast acts on channels as well
    product = color(red).diff(dim=1).flatten().neg()
    assert 0 <= product.min() < 0.05
    assert 2.5 < product.max() <= 3  # saturation up to 2 times contrast up to 1.5
    assert product.mean().item() == pytest.approx(1, abs=0.05)
