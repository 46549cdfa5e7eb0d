"""Classifiers trained on samples: good samples teach, wrong labels do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import MetricError
from ganpipe.metrics.classification import can_be_learned, classification_accuracy


def test_real_digits_teach_real_digits_and_shuffled_labels_do_not(workspace: Callable[[str], Params]) -> None:
    workspace("digits-dcgan")
    packed = Packed.open(paths.PACKED_FILE)
    images, labels = packed.slice("image"), packed.slice("label")
    teach, ask = slice(0, None, 4), slice(1, None, 10)

    def score(taught: np.ndarray) -> float:
        return classification_accuracy(
            images[ask], labels[ask], images[teach], taught, packed.spec.names("label"), epochs=3, seed=0
        )

    assert score(labels[teach]) > 0.8
    assert score(np.random.default_rng(0).permutation(labels[teach])) < 0.4


def test_a_class_without_samples_cannot_be_learned() -> None:
    labels = np.repeat(np.arange(3), 5)
    assert can_be_learned(labels, 3)
    assert not can_be_learned(labels[1:], 3)
    assert not can_be_learned(labels, 4)
    images = np.random.default_rng(0).integers(0, 256, (15, 16, 16, 1), np.uint8)
    with pytest.raises(MetricError, match="class 'd' has 0 images"):
        classification_accuracy(images, labels, images, labels, ("a", "b", "c", "d"), epochs=1, seed=0)
