"""The pool of made pictures: what is stored, what is returned, what a restart brings back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganpipe.nets.image_pool import ImagePool


def image(number: int) -> Tensor:
    return torch.full((1, 1, 1, 1), float(number))


def test_a_pool_stores_until_it_is_full_and_then_swaps_with_probability_one_half() -> None:
    torch.manual_seed(0)
    pool = ImagePool(3)
    for number in range(3):
        assert pool.exchange(image(number)).item() == number
    assert sorted(one.item() for one in pool.images) == [0, 1, 2]
    swapped = []
    for number in range(3, 2003):
        before = [one.item() for one in pool.images]
        returned = pool.exchange(image(number)).item()
        after = [one.item() for one in pool.images]
        if returned == number:
            assert after == before
        else:
            (place,) = [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
            assert before[place] == returned and after[place] == number
            swapped.append(place)
    assert len(swapped) / 2000 == pytest.approx(0.5, abs=0.04)
    assert all(swapped.count(place) / len(swapped) == pytest.approx(1 / 3, abs=0.05) for place in range(3))


def test_a_pool_of_no_size_returns_what_it_is_given() -> None:
    images = torch.rand(5, 1, 2, 2)
    assert torch.equal(ImagePool(0).exchange(images), images)


def test_a_restart_brings_the_pictures_back() -> None:
    torch.manual_seed(0)
    first, second = ImagePool(3), ImagePool(3)
    for number in range(5):
        first.exchange(image(number))
    second.load_state_dict(first.state_dict())
    assert [one.item() for one in second.images] == [one.item() for one in first.images]
