"""An independent judge of a label: a classifier that has learned real pictures of those classes that are frequent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from ganpipe.config import Evaluate
from ganpipe.errors import MetricError
from ganpipe.metrics.extractors.domain import HELD_OUT, DomainExtractor
from ganpipe.metrics.extractors.extraction import extract
from ganpipe.progress import say

Images = UInt8[np.ndarray, "n h w c"]
Labels = Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class Judge:
    """A classifier, and the numbers of the classes that it knows, in the order of its outputs."""

    classifier: DomainExtractor
    classes: Labels

    @property
    def accuracy(self) -> float:
        """The share of real pictures that it has not learned whose class it sees."""
        return self.classifier.card.accuracy

    def seen(self, images: Images, title: str) -> tuple[np.ndarray, Labels]:
        """Return the features of images and the classes that it sees in them; `title` is for the progress bar."""
        found = extract(self.classifier, lambda rows: images[rows], np.arange(len(images)), title)
        assert found.probabilities is not None
        return found.features, self.classes[found.probabilities.argmax(axis=1)]

    def knows(self, wanted: Labels) -> np.ndarray:
        """Return for each wanted class whether it is one that the classifier knows."""
        return np.isin(wanted, self.classes)


def learn(images: Images, labels: Labels, names: tuple[str, ...], cfg: Evaluate, score: str) -> Judge | None:
    """Train a judge on real pictures; None, with a line about `score`, where it could not be asked.

    Classes with fewer than `HELD_OUT` pictures are left out, with a line: nobody could tell them.
    """
    counts = np.bincount(labels, minlength=len(names))
    classes = np.flatnonzero(counts >= HELD_OUT)
    if rare := [names[place] for place in np.flatnonzero((counts > 0) & (counts < HELD_OUT))]:
        say(f"{score} leaves out {', '.join(rare)}: of each there are fewer than {HELD_OUT} real pictures")
    kept = np.isin(labels, classes)
    told = tuple(names[place] for place in classes)
    try:
        numbers = np.searchsorted(classes, labels[kept])
        fitted = DomainExtractor.fit(images[kept], numbers, told, cfg.extractor_epochs, cfg.seed, required_accuracy=0.0)
    except MetricError as problem:
        say(f"{score} is not measured: no classifier can learn it: {problem}")
        return None
    return Judge(fitted, classes)
