"""Class shares, coverage and total variation."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.errors import MetricError
from ganpipe.metrics.classes import (
    class_shares,
    classes_covered,
    conditional_accuracies,
    conditional_accuracy,
    total_variation,
)


def test_shares() -> None:
    assert class_shares(np.array([0, 0, 2, 2]), 4).tolist() == [0.5, 0, 0.5, 0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([], dtype=int), r"shape \(0,\)"),
        (np.array([[0]]), r"shape \(1, 1\)"),
        (np.array([0, 3]), r"0\.\.3, expected 0\.\.2"),
        (np.array([-1, 0]), r"-1\.\.0, expected 0\.\.2"),
    ],
)
def test_bad_labels_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        class_shares(labels, 3)


def test_a_class_is_covered_from_a_tenth_of_its_real_share() -> None:
    real = class_shares(np.repeat([0, 1, 2], [300, 300, 400]), 3)
    below, exactly, above = ([count, 30, 970 - count] for count in (29, 30, 31))
    fakes = [class_shares(np.repeat([0, 1, 2], counts), 3) for counts in (below, exactly, above)]
    assert [classes_covered(real, fake) for fake in fakes] == [2, 3, 3]


@pytest.mark.parametrize("count", [7, 13, 28, 50])
def test_exactly_a_tenth_survives_rounding(count: int) -> None:
    real, fake = np.array([count / 100, 1 - count / 100]), np.array([count / 1000, 1 - count / 1000])
    assert classes_covered(real, fake) == 2


def test_no_reals_no_coverage() -> None:
    assert classes_covered(np.array([1.0, 0]), np.array([0.5, 0.5])) == 1
    assert classes_covered(np.array([0.5, 0.5]), np.array([1.0, 0])) == 1
    assert classes_covered(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 2


def test_total_variation() -> None:
    assert total_variation(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert total_variation(np.array([1.0, 0]), np.array([0, 1.0])) == 1
    assert total_variation(np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])) == pytest.approx(0.3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("score", [classes_covered, total_variation])
def test_different_numbers_of_classes_are_refused(score) -> None:
    with pytest.raises(MetricError, match=r"\(2,\), fake ones \(3,\)"):
        score(np.full(2, 0.5), np.full(3, 1 / 3))


def test_conditional_accuracy_is_the_share_that_is_as_asked() -> None:
    asked, found = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 1])
    assert conditional_accuracy(asked, found) == pytest.approx(4 / 6)
    assert conditional_accuracies(asked, found, ("cat", "dog", "fox")) == {"cat": 0.75, "fox": 0.5}
    assert conditional_accuracy(asked, asked) == 1
    assert conditional_accuracy(asked, asked + 1) == 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("asked", "found"), [([], []), ([0, 1], [0])])
def test_nothing_to_compare_is_refused(asked: list[int], found: list[int]) -> None:
    with pytest.raises(MetricError, match="expected the same, at least one"):
        conditional_accuracy(np.array(asked, int), np.array(found, int))
