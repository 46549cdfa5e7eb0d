"""Batches, micro-batches and the one conversion between what is stored and what networks see."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganpipe.core.batch import batch_size, micro_batches, to_float, to_network, to_stored, to_uint8
from ganpipe.core.spec import STORED_TYPES, VALUES, Kind
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


STORED: dict[Kind, Callable[[], Tensor]] = {
    "image": lambda: torch.randint(0, 256, (3, 4, 5, 2), dtype=torch.uint8),
    "vector": lambda: torch.randn(3, 7),
    "label": lambda: torch.tensor([2, 0, 11]),
    "attributes": lambda: torch.randint(0, 2, (3, 4), dtype=torch.uint8),
    "sequence": lambda: torch.randn(3, 6, 2),
    "tokens": lambda: torch.randint(0, 2**31 - 1, (3, 9), dtype=torch.int32),
    "text": lambda: torch.randn(3, 5, 4).half(),
    "row": lambda: torch.tensor([2**40, 0, 5]),
}
NETWORK = {
    "image": (torch.float32, (3, 2, 4, 5)),
    "vector": (torch.float32, (3, 7)),
    "label": (torch.int64, (3,)),
    "attributes": (torch.float32, (3, 4)),
    "sequence": (torch.float32, (3, 6, 2)),
    "tokens": (torch.int64, (3, 9)),
    "text": (torch.float32, (3, 5, 4)),
    "row": (torch.int64, (3,)),
}


def test_every_kind_is_tested_here() -> None:
    assert set(STORED) == set(NETWORK) == set(get_args(Kind)) == set(STORED_TYPES) == set(VALUES)


@pytest.mark.parametrize("kind", STORED)
def test_what_is_stored_survives_the_way_to_the_networks_and_back(kind: Kind) -> None:
    stored = STORED[kind]()
    seen = to_network(kind, stored)
    assert (seen.dtype, tuple(seen.shape)) == NETWORK[kind]
    back = to_stored(kind, seen)
    assert torch.equal(back, stored)
    assert back.dtype == stored.dtype
    assert back.numpy().dtype == ("float16" if kind == "text" else STORED_TYPES[kind])  # a file has its number


@pytest.mark.parametrize("kind", ["image", "vector", "sequence", "attributes", "text"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_values_of_every_kind_are_refused(kind: Kind, bad: float) -> None:
    seen = to_network(kind, STORED[kind]())
    seen.view(-1)[5] = bad
    with pytest.raises(TrainingDiverged, match="non-finite .*lower train.lr"):
        to_stored(kind, seen)


def test_an_attribute_is_on_from_a_half() -> None:
    assert to_stored("attributes", torch.tensor([[-3.0, 0.49, 0.5, 7.0]])).tolist() == [[0, 0, 1, 1]]


def test_numbers_that_a_network_gives_in_bf16_are_stored_in_fp32() -> None:
    given_off = torch.tensor([[0.5, -1.25]]).bfloat16()
    assert torch.equal(to_stored("vector", given_off), torch.tensor([[0.5, -1.25]]))
    assert to_stored("image", given_off.view(1, 1, 1, 2)).flatten().tolist() == [191, 0]
