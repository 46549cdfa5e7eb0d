"""Every kind of input that cannot be scored honestly gives one line, never a number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from metrics.feature_scores import prdc

from ganpipe.errors import MetricError
from ganpipe.metrics.checks import check_features, check_image_array, check_pixels
from ganpipe.metrics.extractors.interface import Extracted
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.score import Scores, compare

FINE = np.random.default_rng(0).normal(size=(20, 3))
SPOILT = FINE.copy()
SPOILT[[2, 7], 1] = np.nan, np.inf

BAD = [
    (FINE[:0], FINE, "real features are empty"),
    (FINE, FINE[:0], "fake features are empty"),
    (FINE, FINE[:, :0], "fake features are empty"),
    (FINE[:1], FINE, "real set holds 1 samples"),
    (FINE, FINE[:1], "fake set holds 1 samples"),
    (FINE, FINE[:, :2], "real features have 3 numbers, fake features 2"),
    (FINE, FINE[:, 0], r"fake features have shape \(20,\)"),
    (SPOILT, FINE, "2 of 20 real feature rows are not finite"),
    (FINE, SPOILT, "2 of 20 fake feature rows are not finite"),
]


def whole(real: np.ndarray, fake: np.ndarray) -> Scores:
    return compare(real, Extracted(fake), neighbours=5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("score", [check_features, frechet_distance, kernel_distance, whole])
@pytest.mark.parametrize(("real", "fake", "message"), BAD)
def test_bad_features_are_refused_everywhere(score: Callable, real: np.ndarray, fake: np.ndarray, message: str) -> None:
    with pytest.raises(MetricError, match=message) as caught:
        score(real, fake)
    assert "\n" not in str(caught.value)


def test_neighbours_need_two_more_samples() -> None:
    prdc(FINE[:7], FINE[:7], 5)
    with pytest.raises(MetricError, match="fake set holds 6 samples, at least 7 are needed for balls to neighbour 5"):
        prdc(FINE[:7], FINE[:6], 5)


def test_good_features_pass() -> None:
    check_features(FINE, FINE[:2])


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (images(4, 8, 8, 1).astype(np.float32), "pixels are float32, expected uint8"),
        (images(4, 8, 8), r"shape is \(4, 8, 8\), expected \(N, height"),
        (images(4, 1, 8, 8), r"shape is \(4, 1, 8, 8\), .*channels 1 or 3"),
        (images(0, 8, 8, 3), r"shape is \(0, 8, 8, 3\), expected at least one"),
        (images(4, 0, 8, 3), r"shape is \(4, 0, 8, 3\), expected at least one"),
    ],
)
@pytest.mark.parametrize("check", [check_image_array, check_pixels])
def test_bad_images_are_refused(check: Callable, array: np.ndarray, message: str) -> None:
    with pytest.raises(MetricError, match=message) as caught:
        check(array, "sample")
    assert str(caught.value).startswith("sample set: ") and "\n" not in str(caught.value)


def test_a_set_of_one_picture_is_refused() -> None:
    with pytest.raises(MetricError, match="all 3 images are the same picture: "):
        check_pixels(np.repeat(images(1, 8, 8, 3), 3, axis=0))
    with pytest.raises(MetricError, match="all 5 images are the same picture, all its pixels 0: "):
        check_pixels(np.zeros((5, 8, 8, 1), dtype=np.uint8))


def test_copies_among_different_pictures_pass() -> None:
    check_pixels(np.concatenate([np.repeat(images(1, 8, 8, 3), 9, axis=0), images(2, 8, 8, 3)[1:]]))
    check_pixels(images(1, 8, 8, 1))
    check_pixels(images(2, 8, 8, 1))
