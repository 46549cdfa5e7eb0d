"""Copies of samples and of training data are found, new data are not; distances worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from metrics.feature_scores import copied_share
from metrics.sets import column, write_set

from ganpipe.data.packed.file import Packed
from ganpipe.errors import DataError, MetricError
from ganpipe.metrics import copies
from ganpipe.metrics.copies import COPYING, Nearness, duplicate_share, summary
from ganpipe.metrics.distances import Neighbourhood

CPU = torch.device("cpu")


def packed(folder: Path, items: np.ndarray, splits: dict[str, tuple[int, int]] | None = None) -> Packed:
    kind = {4: "image", 3: "sequence", 2: "vector"}[items.ndim]
    return write_set(folder / "data.h5", {"items_of_a_kind": column(items, kind)}, splits)


def nearness(data: Packed, samples: np.ndarray, device: torch.device, **more: object) -> Nearness:
    return copies.nearness(data, "items_of_a_kind", samples, device, **more)


def noise(count: int, side: int = 8, seed: int = 0, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def test_the_nearest_come_first_with_the_distance_per_pixel(tmp_path: Path) -> None:
    levels = np.array([10, 40, 90, 160, 250], np.uint8)
    real = np.tile(levels[:, None, None, None], (1, 4, 4, 1))
    sample = np.full((1, 4, 4, 1), 80, np.uint8)
    sample[0, :2] = 100  # as far above 90 as below
    found = nearness(packed(tmp_path, real), sample, CPU)
    assert found.rows.tolist() == [[2, 1, 3]]
    root_mean_squares = [10, ((60**2 + 40**2) / 2) ** 0.5, ((60**2 + 80**2) / 2) ** 0.5]
    assert found.distances[0] == pytest.approx(sorted(root_mean_squares))
    assert found.real == 50  # 30 30 50 70 90: each to its nearest other
    assert found.fake == 10
    assert found.ratio == 0.2


def test_vectors_have_distances_too(tmp_path: Path) -> None:
    real = np.array([[0, 0], [0, 2], [4, 0], [9, 9]], np.float32)
    found = nearness(packed(tmp_path, real), np.array([[0, 0.5]], np.float32), CPU)
    assert found.rows.tolist() == [[0, 1, 2]]
    assert found.distances[0] == pytest.approx([0.125**0.5, 1.125**0.5, (16.25 / 2) ** 0.5])


def test_sequences_are_compared_number_by_number(tmp_path: Path) -> None:
    real = np.array([[[0, 0], [0, 0]], [[0, 2], [0, 0]], [[4, 0], [0, 0]], [[9, 9], [0, 0]]], np.float32)
    found = nearness(packed(tmp_path, real), np.array([[[0, 0], [1, 0]]], np.float32), CPU)
    assert found.rows.tolist() == [[0, 1, 2]]
    assert found.distances[0] == pytest.approx([0.25**0.5, 1.25**0.5, 4.25**0.5])


def test_only_training_items_count_and_rows_are_those_of_the_file(tmp_path: Path) -> None:
    images = noise(30)
    found = nearness(packed(tmp_path, images, {"test": (0, 10), "train": (10, 30)}), images[[3, 17]], CPU)
    assert found.rows[1, 0] == 17
    assert found.distances[1, 0] == 0
    assert found.rows.min() >= 10
    assert found.distances[0, 0] > 50


def test_copies_are_named_and_other_real_images_are_not(tmp_path: Path) -> None:
    digits = noise(400, seed=1)
    real, held_out = digits[:300], digits[300:]
    copied = real[::3].astype(int) + np.random.default_rng(2).integers(-20, 21, real[::3].shape)
    copied = copied.clip(0, 255).astype(np.uint8)
    data = packed(tmp_path, real)
    honest, copying = nearness(data, held_out, CPU), nearness(data, copied, CPU)
    assert 0.95 < honest.ratio < 1.05
    assert copying.ratio < 0.3 < COPYING
    assert copying.rows[:, 0].tolist() == list(range(0, 300, 3))
    assert "no sign of copying" in summary(honest, "image")
    assert "below 0.5: the generator may be copying" in summary(copying, "image")
    assert len(summary(copying, "image").splitlines()) == 1


def test_the_size_of_a_block_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, samples = packed(tmp_path, noise(150, channels=3)), noise(10, seed=3, channels=3)
    whole = nearness(data, samples, CPU)
    monkeypatch.setattr(copies, "_BLOCK_BYTES", 8 * 8 * 8 * 3 * 7)
    pieces = nearness(data, samples, CPU)
    assert np.array_equal(whole.rows, pieces.rows)
    assert np.array_equal(whole.distances, pieces.distances)
    assert whole.real == pieces.real


def test_a_mirrored_copy_is_a_copy_where_the_training_saw_mirror_images(tmp_path: Path) -> None:
    real = noise(50)
    data, mirrored = packed(tmp_path, real), real[:20, :, ::-1].copy()
    assert nearness(data, mirrored, CPU, mirrored=True).distances[:, 0].max() == 0
    assert nearness(data, mirrored, CPU).distances[:, 0].min() > 50


def test_large_images_are_compared_after_averaging(tmp_path: Path) -> None:
    real = noise(6, side=130, channels=3)
    sample = noise(1, side=130, channels=3, seed=5)
    found = nearness(packed(tmp_path, real), sample, CPU)
    width = np.array([3] * 43 + [1])  # the last column and row are averages of what is left
    starts = np.arange(0, 130, 3)

    def averaged(images: np.ndarray) -> np.ndarray:
        summed = np.add.reduceat(np.add.reduceat(images.astype(float), starts, axis=1), starts, axis=2)
        return summed / (width[:, None] * width)[..., None]

    expected = np.sqrt(np.square(averaged(real) - averaged(sample)).mean(axis=(1, 2, 3)))
    assert found.rows[0].tolist() == np.argsort(expected)[:3].tolist()
    assert found.distances[0] == pytest.approx(np.sort(expected)[:3])


def test_data_that_exists_twice_says_nothing(tmp_path: Path) -> None:
    found = nearness(packed(tmp_path, noise(10).repeat(2, axis=0)), noise(3, seed=4), CPU)
    assert found.ratio is None
    assert "nothing can be said" in summary(found, "image")
    assert found.described()["ratio"] is None


def test_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.h5: the nearest training items need 4 of them, found 3"):
        nearness(packed(tmp_path, noise(3)), noise(1), CPU)


def test_duplicates_are_counted_beyond_the_first() -> None:
    images = np.arange(5 * 2 * 2, dtype=np.uint8).reshape(5, 2, 2, 1)
    assert duplicate_share(images) == 0
    assert duplicate_share(images[[0, 1, 1, 1, 2]]) == pytest.approx(2 / 5)
    assert duplicate_share(images[[3] * 5]) == pytest.approx(4 / 5)


def test_a_line_by_hand() -> None:
    real = np.array([[0.0], [1.0], [3.0]])  # nearest other real: 1, 1 and 2 away
    assert Neighbourhood(real, 1, "real").radii(1).numpy() == pytest.approx([1, 1, 2])
    fake = np.array([[0.5], [4.9], [5.1], [-1.5]])  # 0.5 from 0 or 1: copied; 1.9 from 3: copied; 2.1 and 1.5: not
    assert copied_share(real, fake) == 0.5


def test_copies_score_one_and_new_data_as_held_out_data() -> None:
    rng = np.random.default_rng(0)
    real, new, held_out = (rng.normal(size=(500, 16)) for _ in range(3))
    assert copied_share(real, real + 1e-6) == 1
    fresh, floor = copied_share(real, new), copied_share(real, held_out)
    assert 0.2 < fresh < 0.8
    assert abs(fresh - floor) < 0.07
    half = np.concatenate([real[:250] + 1e-6, new[:250]])
    assert copied_share(real, half) > fresh + 0.15
    assert copied_share(real, new + 100) == 0


def test_bad_features_are_refused() -> None:
    with pytest.raises(MetricError, match="not finite"):
        copied_share(np.full((4, 2), np.nan), np.zeros((4, 2)))
