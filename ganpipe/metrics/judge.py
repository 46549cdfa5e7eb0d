"""The scores of one output of a generator by one extractor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ganpipe.config import Evaluate
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.checks import few_samples
from ganpipe.metrics.classes import (
    class_shares,
    classes_covered,
    conditional_accuracies,
    conditional_accuracy,
    total_variation,
)
from ganpipe.metrics.classification import can_be_learned, classification_accuracy
from ganpipe.metrics.extractors import EXTRACTORS
from ganpipe.metrics.extractors.domain import DomainExtractor
from ganpipe.metrics.extractors.interface import Extracted, Extractor
from ganpipe.metrics.extractors.pattern import PatternExtractor, valid_pattern_share
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.reference import load_reference
from ganpipe.metrics.score import Scores, compare

SHARES = "shares_by_class"
"""Key of the shares of each class, which go to the table of classes instead of metrics.json."""


@dataclass(frozen=True)
class Judge:
    """Scores one output with one extractor after another, beside the same output of the untrained generator."""

    packed: Packed
    reference: Path  # the folder of `prepare_reference`
    cfg: Evaluate
    fake: Output
    untrained: Output | None  # None: the untrained generator makes no item of this size
    copies: Scores  # of each other and of the training data; the same for all extractors

    def scores(self, name: str) -> tuple[str, Scores]:
        """Return the identity of the extractor `name` and its scores. Raises `MetricError`."""
        reference = load_reference(self.reference, name, self.packed, self.fake.field, self.cfg.seed)
        extractor, n = reference.extractor, len(self.fake.items)
        real, other = reference.half_a[:n], reference.half_b[:n]
        fake = self.fake.extracted(extractor, f"Features of samples ({name})")
        if remark := few_samples(name, n, real.shape[1]):
            print(remark, flush=True)
        scores = compare(real, fake, self.cfg.neighbours if EXTRACTORS[name].neighbours else None, other)
        scores |= self.copies
        if isinstance(extractor, PatternExtractor):
            scores["valid_share"] = valid_pattern_share(self.fake.items)
        if isinstance(extractor, DomainExtractor) and fake.probabilities is not None:
            scores |= self._class_scores(fake.probabilities)
            scores |= self._conditional_scores(extractor, fake)
        if self.untrained is not None:
            scores |= _beside("untrained", extractor, real, self.untrained)
        if (copied := self.fake.copied(self.packed)) is not None:
            scores |= _beside("copy", extractor, real, replace(self.fake, items=copied))
        return extractor.identity, scores

    @property
    def _label(self) -> str:
        """The field of the labels beside the field of the output."""
        found = self.packed.spec.beside(self.fake.field, "label")
        assert found is not None, "a classifier fits only where there are labels"
        return found

    @property
    def _classes(self) -> tuple[str, ...]:
        return self.packed.spec.names(self._label)

    def _class_scores(self, probabilities: np.ndarray) -> Scores:
        """Return how the samples spread over the classes, compared with the real labels."""
        classes, space = self._classes, self.packed.fields[self.fake.field].space
        real = class_shares(self.packed.slice(self._label, self.packed.rows("train", space)), len(classes))
        fake = class_shares(probabilities.argmax(axis=1), len(classes))
        return {
            "classes": len(classes),
            "classes_covered": classes_covered(real, fake),
            "class_tv": total_variation(real, fake),
            SHARES: {
                name: {"real": float(real[label]), "fake": float(fake[label])} for label, name in enumerate(classes)
            },
        }

    def _conditional_scores(self, extractor: DomainExtractor, fake: Extracted) -> Scores:
        """Return how many samples are of the class chosen for them; {} for a generator without a choice of a class."""
        asked = self.fake.labels
        if asked is None:
            return {}
        found = _classified(fake)
        return {
            **self._learned_from(asked),
            "conditional_accuracy": conditional_accuracy(asked, found),
            "conditional_accuracy_by_class": conditional_accuracies(asked, found, self._classes),
            "conditional_accuracy_real": extractor.card.accuracy,
        }

    def _learned_from(self, asked: Int64[np.ndarray, " n"]) -> Scores:
        """Return the accuracy on real images of a classifier that was trained on the samples."""
        classes, cfg = self._classes, self.cfg
        if not can_be_learned(asked, len(classes)):
            return {}
        splits = self.packed.splits(self.packed.fields[self.fake.field].space)
        split = splits["test" if "test" in splits else "train"]
        real, labels = (self.packed.slice(field, split) for field in (self.fake.field, self._label))
        accuracy = classification_accuracy(
            real, labels, self.fake.items, asked, classes, cfg.extractor_epochs, cfg.seed
        )
        return {"classification_accuracy": accuracy}


def _beside(ending: str, extractor: Extractor, real: np.ndarray, output: Output) -> Scores:
    """Return the scores of a baseline: the generator before its first step, or a copy of what it is given.

    Their names have the `ending`.
    """
    found = output.extracted(extractor, f"Features of the baseline {ending} ({extractor.identity})")
    scores: Scores = {
        f"fd_{ending}": frechet_distance(real, found.features),
        f"kd_{ending}_x1000": 1000 * kernel_distance(real, found.features).value,
    }
    if isinstance(extractor, PatternExtractor):
        scores[f"valid_share_{ending}"] = valid_pattern_share(output.items)
    if isinstance(extractor, DomainExtractor) and output.labels is not None:
        scores[f"conditional_accuracy_{ending}"] = conditional_accuracy(output.labels, _classified(found))
    return scores


def _classified(found: Extracted) -> Int64[np.ndarray, " n"]:
    assert found.probabilities is not None, "a classifier gives probabilities"
    return found.probabilities.argmax(axis=1)
