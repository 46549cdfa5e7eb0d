"""Judges of labels: they know the frequent classes, and say which they leave out."""

from __future__ import annotations

import numpy as np
import pytest

from ganpipe.config import Evaluate
from ganpipe.metrics.told import Judge, learn

CFG = Evaluate(extractors=("pixel",), extractor_epochs=6)
NAMES = ("none", "black", "rare", "white")


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """60 black and 60 white pictures, and two grey ones of a rare class; none has the first class."""
    labels = np.array([1] * 60 + [3] * 60 + [2] * 2)
    noise = np.random.default_rng(0).integers(0, 60, (len(labels), 16, 16, 1))
    return (noise + np.array([0, 0, 90, 190])[labels][:, None, None, None]).astype(np.uint8), labels


def test_frequent_classes_are_told_by_their_own_numbers(
    pictures: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = pictures
    judge = learn(images, labels, NAMES, CFG, "tone")
    said = capsys.readouterr()
    assert "tone leaves out rare: of each there are fewer than 5 real pictures" in said.out + said.err
    assert isinstance(judge, Judge) and judge.classes.tolist() == [1, 3] and judge.accuracy > 0.95
    assert judge.knows(np.array([0, 1, 2, 3])).tolist() == [False, True, False, True]
    features, found = judge.seen(images[:120], "Classes")
    assert len(features) == 120 and np.mean(found == labels[:120]) > 0.95


def test_one_class_cannot_be_told(pictures: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = (values[60:] for values in pictures)
    assert learn(images, labels, NAMES, CFG, "tone") is None
    said = capsys.readouterr()
    assert "tone is not measured: no classifier can learn it: domain set: 1 classes" in said.out + said.err
