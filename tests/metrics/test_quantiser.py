"""The one pixel conversion that samples pass before they are scored."""

from __future__ import annotations

import pytest
import torch

from ganpipe.core.batch import to_float, to_uint8
from ganpipe.errors import TrainingDiverged


def test_all_levels_survive_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert to_float(levels).min() == -1 and to_float(levels).max() == 1


def test_rounding_has_no_bias() -> None:
    x = torch.rand(100, 1, 100, 100, generator=torch.Generator().manual_seed(0)) * 2 - 1
    bias = (to_uint8(x).permute(0, 3, 1, 2).double() - (x.double() + 1) * 127.5).mean()
    assert abs(float(bias)) < 2e-3  # truncation: -0.5


def test_axes_change_place() -> None:
    x = torch.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert to_uint8(x).shape == (2, 4, 5, 3)
    assert torch.equal(to_uint8(x)[1, 2, 3], to_uint8(x[1:, :, 2:3, 3:4])[0, 0, 0])


def test_outside_values_are_clamped_not_wrapped() -> None:
    assert to_uint8(torch.tensor([-5.0, 300.0]).reshape(1, 1, 1, 2)).flatten().tolist() == [0, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_images_are_counted_not_blackened(value: float) -> None:
    x = torch.zeros(5, 1, 4, 4)
    x[2, 0, 1, 1] = x[4, 0, 0, 0] = value
    with pytest.raises(TrainingDiverged, match="2 of 5 generated images"):
        to_uint8(x)
