"""Batches, micro-batches and the one pixel conversion."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganpipe.core.batch import batch_size, micro_batches, to_float, to_uint8
from ganpipe.errors import TrainingDiverged


def test_all_levels_survive_the_way_to_float_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    floats = to_float(levels)
    assert floats.shape == (1, 1, 16, 16)
    assert floats.min() == -1
    assert floats.max() == 1
    assert torch.equal(to_uint8(floats), levels)


def test_channels_go_first_and_come_back_last() -> None:
    pixels = torch.randint(0, 256, (2, 3, 5, 3), dtype=torch.uint8)
    assert torch.equal(to_float(pixels)[1, 2, 0, 4], pixels[1, 0, 4, 2].float() / 127.5 - 1)
    assert torch.equal(to_uint8(to_float(pixels)), pixels)


def test_quantising_rounds_to_nearest_and_clamps() -> None:
    between = torch.tensor([-7.0, -1.0, 0.49 / 127.5 - 1, 0.51 / 127.5 - 1, 1.0, 7.0]).view(1, 1, 1, 6)
    assert to_uint8(between).flatten().tolist() == [0, 0, 0, 1, 255, 255]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_pixels_are_refused_and_counted(bad: float) -> None:
    images = torch.zeros(3, 1, 2, 2)
    images[1, 0, 1, 1] = bad
    with pytest.raises(TrainingDiverged, match="1 of 3 generated images"):
        to_uint8(images)


@given(st.integers(1, 40), st.integers(1, 50))
def test_micro_batches_are_consecutive_and_complete(n: int, at_most: int) -> None:
    batch = {"image": torch.arange(n), "label": torch.arange(n) * 2}
    cut = micro_batches(batch, at_most)
    assert all(1 <= batch_size(piece) <= at_most for piece in cut)
    assert torch.equal(torch.cat([piece["image"] for piece in cut]), batch["image"])
    assert torch.equal(torch.cat([piece["label"] for piece in cut]), batch["label"])
    assert micro_batches(batch, None) == [batch]
