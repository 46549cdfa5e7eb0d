"""The classifier score on predictions whose score is known."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.classifier_score import classifier_score, default_splits


def one_hot(labels: np.ndarray, classes: int = 10) -> np.ndarray:
    return np.eye(classes)[labels]


def test_confident_and_even_scores_the_number_of_classes() -> None:
    found = classifier_score(one_hot(np.arange(1000) % 10), 1)
    assert found.mean == pytest.approx(10, abs=1e-9)
    assert found.std is None


def test_clueless_scores_one() -> None:
    assert classifier_score(np.full((500, 10), 0.1), 1).mean == pytest.approx(1, abs=1e-9)


def test_three_of_ten_modes_score_three() -> None:
    assert classifier_score(one_hot(np.arange(999) % 3), 1).mean == pytest.approx(3, abs=1e-9)


def test_absent_class_and_huge_logits() -> None:
    logits = 2000 * one_hot(np.arange(999) % 3) - 1000
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    found = classifier_score(probabilities / probabilities.sum(axis=1, keepdims=True), 3)
    assert found.mean == pytest.approx(3, abs=1e-9) and found.std == pytest.approx(0, abs=1e-9)


def test_shuffled_in_ten_splits() -> None:
    labels = np.random.default_rng(0).permutation(np.arange(1000) % 10)
    found = classifier_score(one_hot(labels), 10)
    assert found.mean == pytest.approx(9.56, abs=0.5) and found.mean < 9.99
    assert found.std == pytest.approx(0.19, abs=0.15)


def test_splits_are_consecutive_and_std_is_of_the_population() -> None:
    found = classifier_score(np.concatenate([one_hot(np.arange(100) % 10), one_hot(np.arange(100) % 4)]), 2)
    assert found == pytest.approx((7, 3), abs=1e-9)


@pytest.mark.parametrize(("n", "splits"), [(1, 1), (4999, 1), (5000, 10), (50000, 10)])
def test_default_splits(n: int, splits: int) -> None:
    assert default_splits(n) == splits


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("probabilities", "splits", "message"),
    [
        (np.empty((0, 10)), 1, r"shape \(0, 10\)"),
        (np.full(10, 0.1), 1, r"shape \(10,\)"),
        (np.full((9, 10), 0.1), 10, "9 samples cannot be split into 10"),
        (np.full((9, 10), 0.1), 0, "9 samples cannot be split into 0"),
        (np.where(np.eye(10) > 0, np.nan, 0.1), 1, "10 of 10 rows"),
        (np.full((9, 10), 0.2), 1, "9 of 9 rows"),
        (np.concatenate([one_hot(np.arange(5)), [[2, -1] + [0] * 8]]), 1, "1 of 6 rows"),
    ],
)
def test_bad_input_is_refused(probabilities: np.ndarray, splits: int, message: str) -> None:
    with pytest.raises(MetricError, match=message) as caught:
        classifier_score(probabilities, splits)
    assert "\n" not in str(caught.value)
