"""A score while the training goes on: the Fréchet distance of the generator that would be published now.

Cheap enough for every few thousand images, and no substitute for the evaluate stage: fewer samples, and an extractor of
its own, so that a training depends on nothing but its data and `train`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from ganpipe.data.packed.file import Packed
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.domain import CARD, DomainExtractor
from ganpipe.metrics.extractors.interface import Extractor
from ganpipe.metrics.extractors.pattern import PatternExtractor
from ganpipe.metrics.extractors.pixel import PixelExtractor
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.progress import say

Items = Shaped[np.ndarray, "n ..."]

ITEMS = 1000
"""Samples, and real items they are compared with, where the split has as many."""
LEARNED = 10_000
"""Labelled images the classifier learns from at most."""
EPOCHS = 5


class Scorer:
    """Compares samples with fixed items of the train split in the features of a classifier trained on its labels.

    Images without labels, or with labels that no classifier can learn from, are compared by their pixels, vectors as
    they are. The classifier is kept in `folder`, where a resumed training finds it, or learns the same anew where it is
    damaged.
    """

    def __init__(self, packed: Packed, seed: int, folder: Path) -> None:
        self._extractor = _extractor(packed, seed, folder)
        real = packed.read(packed.some("train", ITEMS, seed), packed.kind)
        self._real = self._extractor.extract(real).features

    @property
    def count(self) -> int:
        """How many samples to score."""
        return len(self._real)

    def score(self, items: Items) -> float:
        """Return the Fréchet distance of `count` samples; biased upwards alike at every call."""
        return frechet_distance(self._real, self._extractor.extract(items).features)


def _extractor(packed: Packed, seed: int, folder: Path) -> Extractor:
    if packed.kind == "vector":
        return PatternExtractor()
    if not packed.classes:
        return PixelExtractor()
    if (folder / CARD).exists():  # it is written last
        with contextlib.suppress(MetricError):
            return DomainExtractor.load(folder)
    learned = packed.some("train", LEARNED, seed)
    images, labels = (packed.read(learned, role) for role in ("image", "label"))
    try:
        extractor = DomainExtractor.fit(images, labels, packed.classes, EPOCHS, seed, required_accuracy=0.0)
    except MetricError as error:
        say(f"train.evaluate_kimg compares pixels, since no classifier can learn these labels: {error}")
        return PixelExtractor()
    extractor.save(folder)
    return extractor
