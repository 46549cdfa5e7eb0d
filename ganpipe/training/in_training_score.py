"""The score of `train.evaluate_kimg`: the Fréchet distance of the generator that would be published now.

Cheap enough for every few thousand images, and no substitute for the evaluate stage: fewer samples, and an extractor of
its own, so that a training depends on its data and `train` only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from ganpipe.core.system import System
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
"""Samples, and real items they are compared with, where the split has as many."""
LEARNED = 10_000
"""Labelled images the classifier learns from at most."""
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
        """How many samples to score."""
        return len(self._real)

    def score(self, items: Items) -> float:
        """Return the Fréchet distance of `count` samples; biased upwards alike at every call."""
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


class Best:
    """The generators with the lowest score so far; part of a checkpoint."""

    def __init__(self) -> None:
        self.score = float("inf")
        self._weights: dict[str, dict[str, Any]] = {}

    def offer(self, score: float, system: System) -> None:
        """Keep a copy of the generators of `system` if no earlier ones were as good."""
        if score < self.score:
            self.score = score
            for player in system.generators:
                state = system.get_submodule(player).state_dict()
                self._weights[player] = {name: value.detach().clone() for name, value in state.items()}

    def put_into(self, system: System) -> None:
        """Give `system` the best generators, if any were offered."""
        for player, weights in self._weights.items():
            system.get_submodule(player).load_state_dict(weights)

    def state_dict(self) -> dict[str, Any]:
        """Return everything."""
        return {"score": self.score, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.score, self._weights = state["score"], dict(state["weights"])
