"""Diversity: the same for the same seed, and low where the samples are alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metrics.sets import column, write_set

from ganpipe.data.packed.file import Packed
from ganpipe.training.diversity import Diversity


def packed(folder: Path, items: np.ndarray) -> Packed:
    return write_set(folder / "data.h5", {"picture": column(items, "image" if items.ndim == 4 else "sequence")})


def noise(count: int, side: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 1), np.uint8)


def test_items_that_differ_as_real_ones_do_have_diversity_one(tmp_path: Path) -> None:
    diversity = Diversity(packed(tmp_path, noise(500)), "picture", items=64, seed=3)
    found = diversity.of(noise(64, seed=1))
    assert found == pytest.approx({"diversity": 1, "diversity_nearest": 1}, rel=0.05)


def test_one_image_for_all_and_copies_of_a_few_are_told_apart(tmp_path: Path) -> None:
    diversity = Diversity(packed(tmp_path, noise(500)), "picture", items=64, seed=3)
    assert diversity.of(noise(1).repeat(64, axis=0)) == {"diversity": 0, "diversity_nearest": 0}
    few = diversity.of(noise(8).repeat(8, axis=0))
    assert few["diversity_nearest"] == 0
    assert few["diversity"] == pytest.approx(7 / 8, abs=0.05)


def test_the_seed_chooses_the_real_items(tmp_path: Path) -> None:
    data, fake = packed(tmp_path, noise(500)), noise(64, seed=1)
    assert Diversity(data, "picture", 64, seed=3).of(fake) == Diversity(data, "picture", 64, seed=3).of(fake)
    assert Diversity(data, "picture", 64, seed=3).of(fake) != Diversity(data, "picture", 64, seed=4).of(fake)


def test_the_real_items_are_those_drawn_from_the_training_split_with_the_seed(tmp_path: Path) -> None:
    images = noise(90)
    data = write_set(tmp_path / "data.h5", {"picture": column(images)}, {"test": (0, 30), "train": (30, 90)})
    chosen = np.sort(np.random.default_rng(3).choice(60, 8, replace=False)) + 30
    ours = Diversity(data, "picture", items=8, seed=3).of(images[chosen])
    assert ours == {"diversity": 1, "diversity_nearest": 1}


def test_sequences_are_compared_number_by_number(tmp_path: Path) -> None:
    notes = np.random.default_rng(0).random((64, 5, 2), np.float32)
    diversity = Diversity(packed(tmp_path, notes), "picture", items=64, seed=0)
    assert diversity.of(notes / 2) == pytest.approx({"diversity": 0.5, "diversity_nearest": 0.5})


def test_data_that_do_not_differ_judge_nobody(tmp_path: Path) -> None:
    assert Diversity(packed(tmp_path, noise(1).repeat(20, axis=0)), "picture", 64, seed=0).of(noise(64)) == {}
    assert Diversity(packed(tmp_path / "one", noise(1)), "picture", 64, seed=0).of(noise(64)) == {}
