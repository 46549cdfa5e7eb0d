"""The pixel extractor: what it averages and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.pixel import PixelExtractor


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_small_images_are_taken_as_they_are() -> None:
    found = PixelExtractor().extract(images(5, 28, 28, 1))
    assert found.probabilities is None and found.features.dtype == np.float64
    np.testing.assert_array_equal(found.features, images(5, 28, 28, 1).reshape(5, -1) / 255)


def test_large_images_are_averaged_over_blocks() -> None:
    pixels = images(3, 64, 64, 3)
    blocks = pixels.reshape(3, 16, 4, 16, 4, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(PixelExtractor().extract(pixels).features, blocks.reshape(3, -1), rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "d"),
    [
        ((32, 32, 1), 1024),
        ((33, 32, 1), 17 * 16),
        ((32, 32, 3), 16 * 16 * 3),
        ((28, 28, 3), 14 * 14 * 3),
        ((256, 256, 3), 18 * 18 * 3),
        ((8, 2000, 1), 2 * 500),
    ],
)
def test_at_most_1024_numbers(shape: tuple[int, int, int], d: int) -> None:
    assert d <= 1024
    assert PixelExtractor().extract(images(2, *shape)).features.shape == (2, d)


def test_progress_and_grouping() -> None:
    pixels, seen = images(1030, 16, 16, 1), []
    whole = PixelExtractor().extract(pixels, lambda done, total: seen.append((done, total)))
    assert seen == [(512, 1030), (1024, 1030), (1030, 1030)]
    np.testing.assert_array_equal(PixelExtractor().extract(pixels[7:9]).features, whole.features[7:9])


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(MetricError, match="pixel set: pixels are float64"):
        PixelExtractor().extract(images(2, 16, 16, 1) / 255)
