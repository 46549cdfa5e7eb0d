"""The evaluate stage: how far the samples are from the real data.

Samples are compared with as many items of half A of the real data (see `ganpipe.metrics.reference`); the floor compares
as many of half B with the same of A, so that it carries the same sample-size bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.core.drawing import draw_latents, render
from ganpipe.data.packed import Packed
from ganpipe.errors import MetricError
from ganpipe.files import write_json
from ganpipe.metrics.checks import check_features, check_pixels
from ganpipe.metrics.classes import (
    class_shares,
    classes_covered,
    conditional_accuracies,
    conditional_accuracy,
    total_variation,
)
from ganpipe.metrics.classifier_score import classifier_score, default_splits
from ganpipe.metrics.domain import DomainExtractor
from ganpipe.metrics.extractor import Extracted
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.pattern import PatternExtractor, valid_pattern_share
from ganpipe.metrics.prdc import prdc
from ganpipe.metrics.reference import Items, Reference, extract, load_reference

Scores = dict[str, Any]


def evaluate(params: Params) -> None:
    """Score data/samples with every extractor and write data/metrics.json, nested by extractor.

    Raises `MetricError` rather than write a number that means nothing.
    """
    packed, samples = Packed.open(paths.PACKED_FILE), Packed.open(paths.SAMPLES_FILE, "sample")
    samples.verify("sample")
    if (packed.kind, packed.shape) != (samples.kind, samples.shape):
        raise MetricError(
            f"samples are {samples.kind}s of {samples.shape}, real data {packed.kind}s of {packed.shape}: "
            "run `dvc repro sample`"
        )
    if samples.classes not in ((), packed.classes):
        raise MetricError("samples were asked for other classes than the real data has: run `dvc repro sample`")
    n = min(len(samples), len(packed.rows("train")) // 2)
    fake = Drawn.of(samples, n)
    if samples.kind == "image":
        check_pixels(fake.items, "sample")
    judge = Judge(packed, params, fake, _untrained(params, packed, n))
    scores = {name: rounded(judge.scores(name)) for name in params.evaluate.extractors}
    write_json(paths.METRICS, {"schema": 1, "n_fake": n, "n_real": n, **scores})
    for name, found in scores.items():
        print(summary(name, found), flush=True)
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


@dataclass(frozen=True)
class Judge:
    """Scores one set of samples, and the untrained generator's beside it, with one extractor after another."""

    packed: Packed
    params: Params
    fake: Drawn
    untrained: Drawn

    def scores(self, name: str) -> Scores:
        """Return the scores that the extractor `name` gives."""
        reference = load_reference(name)
        fake = extract(reference.extractor, self.fake.items, f"Features of samples ({name})")
        title = f"Features of the untrained generator ({name})"
        untrained = extract(reference.extractor, self.untrained.items, title)
        scores = {"extractor": reference.extractor.identity, **self._distances(reference, fake, untrained)}
        if fake.probabilities is not None:
            scores |= self._class_scores(fake.probabilities)
            scores |= self._conditional_scores(reference, fake, untrained)
        if isinstance(reference.extractor, PatternExtractor):
            scores |= {
                "valid_share": valid_pattern_share(self.fake.items),
                "valid_share_untrained": valid_pattern_share(self.untrained.items),
            }
        else:
            scores |= self._neighbour_scores(reference, fake)
        return scores

    def _distances(self, reference: Reference, fake: Extracted, untrained: Extracted) -> Scores:
        """Fréchet and kernel distance to half A, with the floor between the halves and the untrained generator's."""
        n = len(self.fake.items)
        real, other = reference.half_a[:n], reference.half_b[:n]
        check_features(real, fake.features)
        kernel, kernel_floor = kernel_distance(real, fake.features), kernel_distance(real, other)
        fd, floor = frechet_distance(real, fake.features), frechet_distance(real, other)
        return {
            "fd": fd,
            "fd_floor": floor,
            "fd_ratio": fd / floor,
            "fd_untrained": frechet_distance(real, untrained.features),
            "kd_x1000": 1000 * kernel.value,
            "kd_std_x1000": 1000 * kernel.std,
            "kd_floor_x1000": 1000 * kernel_floor.value,
        }

    def _neighbour_scores(self, reference: Reference, fake: Extracted) -> Scores:
        k = self.params.evaluate.neighbours
        found = prdc(reference.half_a[: len(self.fake.items)], fake.features, k)
        names = ("precision", "recall", "density", "coverage")
        return {name: getattr(found, name) for name in names}

    def _class_scores(self, probabilities: np.ndarray) -> Scores:
        """Classifier score, and how the samples spread over the classes compared with the real labels."""
        classes = len(self.packed.classes)
        real = class_shares(self.packed.all("label", self.packed.rows("train")), classes)
        fake = class_shares(probabilities.argmax(axis=1), classes)
        mean, std = classifier_score(probabilities, default_splits(len(probabilities)))
        spread = {
            "classes": classes,
            "classes_covered": classes_covered(real, fake),
            "class_tv": total_variation(real, fake),
        }
        return {"cs": mean, **({"cs_std": std} if std is not None else {}), **spread}

    def _conditional_scores(self, reference: Reference, fake: Extracted, untrained: Extracted) -> Scores:
        """Whether the samples are of the classes they were asked for; nothing for a generator that takes no label."""
        asked, asked_untrained = self.fake.labels, self.untrained.labels
        if asked is None or asked_untrained is None or not isinstance(reference.extractor, DomainExtractor):
            return {}
        found = _classified(fake)
        return {
            "conditional_accuracy": conditional_accuracy(asked, found),
            "conditional_accuracy_by_class": conditional_accuracies(asked, found, self.packed.classes),
            "conditional_accuracy_real": reference.extractor.card.accuracy,
            "conditional_accuracy_untrained": conditional_accuracy(asked_untrained, _classified(untrained)),
        }


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


def rounded(scores: Scores) -> Scores:
    """Round floats to six significant digits: what follows differs between machines and would only make noise."""
    return {name: _rounded(value) for name, value in scores.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _classified(found: Extracted) -> Int64[np.ndarray, " n"]:
    assert found.probabilities is not None, "a classifier gives probabilities"
    return found.probabilities.argmax(axis=1)


def _untrained(params: Params, packed: Packed, n: int) -> Drawn:
    """Return what the very generator that was trained draws before its first step."""
    system = systems.build(params.system, packed.spec, params.train.seed).eval()
    latents = draw_latents(system, n, params.sample.seed)
    labels = system.asked(latents).get("label")
    items = np.concatenate(list(render(system, latents)))
    return Drawn(items, None if labels is None else labels.numpy())
