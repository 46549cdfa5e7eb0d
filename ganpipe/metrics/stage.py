"""The evaluate stage: how far the samples are from the real data.

Samples are compared with as many items of half A of the real data (see `ganpipe.metrics.reference`); the floor compares
as many of half B with the same of A, so that it carries the same sample-size bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64

from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import MetricError
from ganpipe.files import write_json
from ganpipe.metrics.checks import check_pixels, few_samples
from ganpipe.metrics.classes import (
    class_shares,
    classes_covered,
    conditional_accuracies,
    conditional_accuracy,
    total_variation,
)
from ganpipe.metrics.classification import can_be_learned, classification_accuracy
from ganpipe.metrics.copies import nearness
from ganpipe.metrics.extractors.domain import DomainExtractor
from ganpipe.metrics.extractors.extraction import Items, extract
from ganpipe.metrics.extractors.interface import Extracted, Extractor
from ganpipe.metrics.extractors.pattern import PatternExtractor, valid_pattern_share
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.memorisation import duplicate_share
from ganpipe.metrics.per_class import write_per_class
from ganpipe.metrics.reference import compared, load_reference
from ganpipe.metrics.score import Scores, compare, named, rounded
from ganpipe.sampling.draw import draw_latents, render

SOUGHT = 500
"""Samples, and as many real images, whose nearest training image is sought."""
_RESAMPLE = "run `dvc repro sample`"
_SHARES = "shares_by_class"  # goes to the table of classes, not among the scores


def evaluate(params: Params) -> None:
    """Score data/samples with every extractor; write data/metrics.json, nested by extractor, and data/per_class.csv.

    Raises `MetricError` rather than write a number that means nothing.
    """
    packed, samples = Packed.open(paths.PACKED_FILE), Packed.open(paths.SAMPLES_FILE, _RESAMPLE)
    samples.verify()
    if (packed.kind, packed.shape) != (samples.kind, samples.shape):
        raise MetricError(
            f"samples are {samples.kind}s of {samples.shape}, real data {packed.kind}s of {packed.shape}: {_RESAMPLE}"
        )
    if samples.classes not in ((), packed.classes):
        raise MetricError(f"samples were asked for other classes than the real data has: {_RESAMPLE}")
    n = compared(len(samples), packed)
    fake = Drawn.of(samples, n)
    if samples.kind == "image":
        check_pixels(fake.items, "sample")
    judge = Judge(packed, params, fake, _untrained(params, packed, n), _copies(params, packed, fake.items))
    judged = {name: judge.scores(name) for name in params.evaluate.extractors}
    shares, asked = _by_class([scores for _, scores in judged.values()])
    write_per_class(paths.PER_CLASS, rounded(shares), asked)
    blocks = {name: rounded(named(identity, scores)) for name, (identity, scores) in judged.items()}
    write_json(paths.METRICS, {"schema": 1, "n_fake": n, "n_real": n, **blocks})
    for name, (_, scores) in judged.items():
        print(summary(name, scores), flush=True)
    print(
        f"Look at the pictures in {paths.SAMPLES}, at {paths.METRICS}, and at all experiments with `ganpipe ui`.",
        flush=True,
    )


@dataclass(frozen=True)
class Drawn:
    """What a generator drew, and what it was asked for."""

    items: Items
    labels: Int64[np.ndarray, " n"] | None  # None: it takes no label

    @classmethod
    def of(cls, samples: Packed, n: int) -> Drawn:
        """Read the first `n` of data/samples."""
        rows = range(n)
        return cls(samples.all(samples.kind, rows), samples.all("label", rows) if "label" in samples.roles else None)

    def extracted(self, extractor: Extractor, title: str) -> Extracted:
        """Return what an extractor makes of them."""
        return extract(extractor, lambda rows: self.items[rows], np.arange(len(self.items)), title)


@dataclass(frozen=True)
class Judge:
    """Scores one set of samples, and the untrained generator's beside it, with one extractor after another."""

    packed: Packed
    params: Params
    fake: Drawn
    untrained: Drawn
    copies: Scores  # of each other and of the training data, which no extractor decides

    def scores(self, name: str) -> tuple[str, Scores]:
        """Return the identity of the extractor `name`, and the scores that it gives."""
        reference = load_reference(name, self.packed, self.params.evaluate.seed)
        extractor, n = reference.extractor, len(self.fake.items)
        real, other = reference.half_a[:n], reference.half_b[:n]
        fake = self.fake.extracted(extractor, f"Features of samples ({name})")
        untrained = self.untrained.extracted(extractor, f"Features of the untrained generator ({name})")
        if remark := few_samples(name, n, real.shape[1]):
            print(remark, flush=True)
        is_pattern = isinstance(extractor, PatternExtractor)
        scores = compare(real, fake, None if is_pattern else self.params.evaluate.neighbours, other)
        scores["fd_untrained"] = frechet_distance(real, untrained.features)
        scores |= self.copies
        if is_pattern:
            scores |= {
                "valid_share": valid_pattern_share(self.fake.items),
                "valid_share_untrained": valid_pattern_share(self.untrained.items),
            }
        if isinstance(extractor, DomainExtractor) and fake.probabilities is not None:
            scores |= self._class_scores(fake.probabilities)
            scores |= self._conditional_scores(extractor, fake, untrained)
        return extractor.identity, scores

    def _class_scores(self, probabilities: np.ndarray) -> Scores:
        """How the samples spread over the classes compared with the real labels."""
        classes = len(self.packed.classes)
        real = class_shares(self.packed.all("label", self.packed.rows("train")), classes)
        fake = class_shares(probabilities.argmax(axis=1), classes)
        return {
            "classes": classes,
            "classes_covered": classes_covered(real, fake),
            "class_tv": total_variation(real, fake),
            _SHARES: {
                name: {"real": float(real[label]), "fake": float(fake[label])}
                for label, name in enumerate(self.packed.classes)
            },
        }

    def _conditional_scores(self, extractor: DomainExtractor, fake: Extracted, untrained: Extracted) -> Scores:
        """Whether the samples are of the classes they were asked for; nothing for a generator that takes no label."""
        asked, asked_untrained = self.fake.labels, self.untrained.labels
        if asked is None or asked_untrained is None:
            return {}
        found = _classified(fake)
        return {
            **self._learned_from(asked),
            "conditional_accuracy": conditional_accuracy(asked, found),
            "conditional_accuracy_by_class": conditional_accuracies(asked, found, self.packed.classes),
            "conditional_accuracy_real": extractor.card.accuracy,
            "conditional_accuracy_untrained": conditional_accuracy(asked_untrained, _classified(untrained)),
        }

    def _learned_from(self, asked: Int64[np.ndarray, " n"]) -> Scores:
        """How well real images are classified by what can be learned from the samples."""
        classes, cfg = self.packed.classes, self.params.evaluate
        if not can_be_learned(asked, len(classes)):
            return {}
        split = self.packed.rows("test" if "test" in self.packed.splits else "train")
        real, labels = (self.packed.all(role, split) for role in ("image", "label"))
        accuracy = classification_accuracy(
            real, labels, self.fake.items, asked, classes, cfg.extractor_epochs, cfg.seed
        )
        return {"classification_accuracy": accuracy}


def _by_class(blocks: list[Scores]) -> tuple[Scores, Scores]:
    """Take the shares of classes out of the scores; return those of the first classifier, and its accuracies."""
    found = [(one.pop(_SHARES), one.get("conditional_accuracy_by_class", {})) for one in blocks if _SHARES in one]
    return found[0] if found else ({}, {})


def summary(name: str, scores: Scores) -> str:
    """Return one line for a person: the distance between its floor and where it began, and what else says most."""
    parts = [
        f"fd {scores['fd']:.3g} (real data: {scores['fd_floor']:.3g}, before training: {scores['fd_untrained']:.3g})"
    ]
    if "classes_covered" in scores:
        parts.append(f"{scores['classes_covered']} of {scores['classes']} classes")
    if "conditional_accuracy" in scores:
        parts.append(
            f"{scores['conditional_accuracy']:.1%} of the class asked for "
            f"(real data: {scores['conditional_accuracy_real']:.1%})"
        )
    if "valid_share" in scores:
        parts.append(f"{scores['valid_share']:.0%} valid patterns")
    return f"{name}: {', '.join(parts)}"


def _copies(params: Params, packed: Packed, items: Items) -> Scores:
    """How many samples repeat each other, and how many of the first `SOUGHT` images repeat a training image."""
    scores: Scores = {"duplicate_share": duplicate_share(items)}
    if packed.kind == "image":
        found = nearness(packed, items[:SOUGHT], torch.device("cpu"), params.data.flip, judged=SOUGHT)
        if found.ratio is not None:
            scores["memorised_share"] = found.memorised_share
            scores["memorised_share_floor"] = found.memorised_share_floor
    return scores


def _classified(found: Extracted) -> Int64[np.ndarray, " n"]:
    assert found.probabilities is not None, "a classifier gives probabilities"
    return found.probabilities.argmax(axis=1)


def _untrained(params: Params, packed: Packed, n: int) -> Drawn:
    """Return what the very generator that was trained draws before its first step."""
    system = systems.build(params.system, packed.spec, params.train.seed).eval()
    latents = draw_latents(system, n, params.sample.seed)
    labels = system.asked(latents).get("label")
    items = render(system, latents)
    return Drawn(items, None if labels is None else labels.numpy())
