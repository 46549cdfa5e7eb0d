"""The score of `train.evaluate_kimg`: the Fréchet distance between samples of the averaged generator and real items.

It is cheap enough for every few thousand images. It does not replace the evaluate stage: it uses fewer samples, and an
extractor of its own so that a training depends on its data and `train` only.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.order import subset
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.domain import CARD, DomainExtractor
from ganpipe.metrics.extractors.interface import Extractor
from ganpipe.metrics.extractors.pixel import PixelExtractor
from ganpipe.metrics.extractors.values import ValuesExtractor
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.progress import say

Items = Shaped[np.ndarray, "n ..."]

ITEMS = 1000
"""The largest number of real items, and of samples, in a comparison."""
LEARNED = 10_000
"""The largest number of labelled images on which the classifier is trained."""
EPOCHS = 5


class Scorer:
    """Compares samples with fixed rows of `field` in the training split, in the features of a classifier of its labels.

    Images without labels, or with labels that no classifier can learn, are compared by their pixels; vectors and
    sequences by their values. The classifier is kept in `folder`, where a resumed training finds it; a damaged one is
    trained again, to the same bytes.
    """

    def __init__(self, packed: Packed, field: str, seed: int, folder: Path) -> None:
        self._extractor = _extractor(packed, field, seed, folder)
        real = packed.read_rows(field, subset(packed.rows("train", packed.fields[field].space), ITEMS, seed))
        self._real = self._extractor.extract(real).features

    @property
    def count(self) -> int:
        """The number of real items, and of samples to score."""
        return len(self._real)

    def score(self, items: Items) -> float:
        """Return the Fréchet distance of items in the stored form of `field`. Its upward bias is constant."""
        return frechet_distance(self._real, self._extractor.extract(items).features)


def _extractor(packed: Packed, field: str, seed: int, folder: Path) -> Extractor:
    spec = packed.spec
    if spec.fields[field].kind != "image":
        return ValuesExtractor()
    beside = spec.beside(field, "label")
    if beside is None:
        return PixelExtractor()
    if (folder / CARD).exists():  # it is written last
        with contextlib.suppress(MetricError):
            return DomainExtractor.load(folder)
    learned = subset(packed.rows("train", spec.fields[field].space), LEARNED, seed)
    images, labels = packed.read_rows(field, learned), packed.read_rows(beside, learned)
    try:
        extractor = DomainExtractor.fit(images, labels, spec.names(beside), EPOCHS, seed, required_accuracy=0.0)
    except MetricError as error:
        say(f"train.evaluate_kimg compares pixels, since no classifier can learn these labels: {error}")
        return PixelExtractor()
    extractor.save(folder)
    return extractor
