"""On real digits, more damage must never look better."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from metrics.feature_scores import prdc

from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.kernel import kernel_distance


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=images.shape)
    return (images + sigma * noise).round().clip(0, 255).astype(np.uint8)


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    from torchvision.transforms.functional import gaussian_blur

    pixels = torch.tensor(images).permute(0, 3, 1, 2).float()
    return gaussian_blur(pixels, [13, 13], [sigma, sigma]).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def halves(digits, extractor) -> tuple[np.ndarray, np.ndarray]:
    return extractor.extract(digits.images[:1500]).features, digits.images[3500:]


@pytest.mark.parametrize(("damage", "amounts"), [(noisy, (5, 10, 20, 40)), (blurred, (0.5, 1, 2))])
def test_distances_rise_with_damage(halves, extractor, damage, amounts) -> None:
    real, images = halves
    sets = [extractor.extract(x).features for x in (images, *(damage(images, amount) for amount in amounts))]
    for distances in ([frechet_distance(real, x) for x in sets], [kernel_distance(real, x).value for x in sets]):
        assert all(less < more for less, more in pairwise(distances)), distances


def test_lost_classes_cost_distance_and_coverage(digits, halves, extractor) -> None:
    real, images = halves
    found = extractor.extract(images).features
    kept = [found[digits.labels[3500:] < classes][:120] for classes in (10, 5, 2, 1)]
    distances = [frechet_distance(real, x) for x in kept]
    assert distances[0] < distances[1] < min(distances[2:])
    coverage = [prdc(real[:1000], x).coverage for x in kept]
    assert coverage == sorted(coverage, reverse=True) and coverage[0] > 2 * coverage[-1]
