"""Diversity: by hand, exact, the same for the same seed, and low where the samples are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganpipe.data.packed.file import About, Packed, write_packed
from ganpipe.training.diversity import Diversity, distances, has_choice


def packed(folder: Path, images: np.ndarray) -> Packed:
    about = About(name="toy", kind="image", source="", licence="", citation="", transform="")
    write_packed(folder / "data.h5", about, len(images), iter([{"image": images}]))
    return Packed.open(folder / "data.h5")


def noise(count: int, side: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 1), np.uint8)


def test_distances_by_hand() -> None:
    points = np.array([[0, 0], [3, 4], [0, 1]], np.float32)
    apart = {"01": 5.0, "02": 1.0, "12": np.sqrt(18)}
    mean, nearest = distances(points)
    assert mean == pytest.approx(sum(apart.values()) / 3)
    assert nearest == pytest.approx((1 + np.sqrt(18) + 1) / 3)
    assert distances(points[:1]) == distances(points[:0]) == (0.0, 0.0)


def test_wide_items_are_measured_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    items = noise(10, side=40)
    whole = distances(items)
    monkeypatch.setattr("ganpipe.training.diversity._COLUMNS_AT_A_TIME", 7)
    assert distances(items) == whole  # whole numbers: exact in any order


def test_items_that_differ_as_real_ones_do_have_diversity_one(tmp_path: Path) -> None:
    diversity = Diversity(packed(tmp_path, noise(500)), items=64, seed=3)
    found = diversity.of(noise(64, seed=1))
    assert found == pytest.approx({"diversity": 1, "diversity_nearest": 1}, rel=0.05)


def test_one_image_for_all_and_copies_of_a_few_are_told_apart(tmp_path: Path) -> None:
    diversity = Diversity(packed(tmp_path, noise(500)), items=64, seed=3)
    assert diversity.of(noise(1).repeat(64, axis=0)) == {"diversity": 0, "diversity_nearest": 0}
    few = diversity.of(noise(8).repeat(8, axis=0))
    assert few["diversity_nearest"] == 0
    assert few["diversity"] == pytest.approx(7 / 8, abs=0.05)


def test_the_seed_chooses_the_real_items(tmp_path: Path) -> None:
    data, fake = packed(tmp_path, noise(500)), noise(64, seed=1)
    assert Diversity(data, 64, seed=3).of(fake) == Diversity(data, 64, seed=3).of(fake)
    assert Diversity(data, 64, seed=3).of(fake) != Diversity(data, 64, seed=4).of(fake)


def test_data_that_do_not_differ_judge_nobody(tmp_path: Path) -> None:
    assert Diversity(packed(tmp_path, noise(1).repeat(20, axis=0)), 64, seed=0).of(noise(64)) == {}
    assert Diversity(packed(tmp_path / "one", noise(1)), 64, seed=0).of(noise(64)) == {}


def test_a_generator_fed_a_constant_has_no_choice() -> None:
    assert not has_choice(torch.full((64, 1), 0.5))
    assert has_choice(torch.arange(2.0).reshape(2, 1))
