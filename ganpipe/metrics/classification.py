"""The classification accuracy score: how well a classifier trained on samples alone classifies real images."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, UInt8

from ganpipe.metrics.extractors.domain import DomainExtractor

LEAST = 5
"""Fewest samples of each class that a classifier can be trained on."""
LEARNED = 20_000
"""The largest number of real images on which a classifier is trained that judges samples."""


def can_be_learned(labels: Int[np.ndarray, " n"], classes: int) -> bool:
    """Return whether there are enough samples of every class for `classification_accuracy`."""
    return bool(np.bincount(labels, minlength=classes).min() >= LEAST)


def classification_accuracy(
    real: UInt8[np.ndarray, "n h w c"],
    real_labels: Int[np.ndarray, " n"],
    fake: UInt8[np.ndarray, "m h w c"],
    fake_labels: Int[np.ndarray, " m"],
    classes: tuple[str, ...],
    epochs: int,
    seed: int,
) -> float:
    """Return the accuracy on real images of a classifier trained on samples and the labels they were asked for.

    The classification accuracy score (Ravuri & Vinyals 2019, arXiv:1905.10887, section 3.1). Deviation: the small
    network of the `domain` extractor in place of a ResNet, trained on four fifths of the samples.
    Raises `MetricError` where `can_be_learned` is False.
    """
    classifier = DomainExtractor.fit(fake, fake_labels, classes, epochs, seed, required_accuracy=0.0)
    probabilities = classifier.extract(real).probabilities
    assert probabilities is not None
    return float(np.mean(probabilities.argmax(axis=1) == real_labels))
