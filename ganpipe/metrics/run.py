"""The evaluate stage: what the real data looks like to an extractor, then how far the samples are from it.

Protocol: the packed data is shuffled by `evaluate.seed` and cut into halves A and B. Samples are compared with as many
items of A; the floor compares as many of B with the same of A, so that it carries the same sample-size bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped
from safetensors.numpy import load_file, save

from ganpipe import metrics, paths, systems
from ganpipe.config import Evaluate, Params
from ganpipe.core.drawing import draw
from ganpipe.data.packed import Packed
from ganpipe.device import prepare_device
from ganpipe.errors import MetricError
from ganpipe.files import write_bytes, write_json
from ganpipe.metrics.checks import check_features, check_pixels
from ganpipe.metrics.classes import class_shares, classes_covered, total_variation
from ganpipe.metrics.classifier_score import classifier_score, default_splits
from ganpipe.metrics.domain import DomainExtractor
from ganpipe.metrics.extractor import Extracted, Extractor
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.pattern import PatternExtractor, valid_pattern_share
from ganpipe.metrics.prdc import prdc
from ganpipe.progress import Progress, progress

Items = Shaped[np.ndarray, "n ..."]
Scores = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """What an extractor makes of both halves of the real data."""

    extractor: Extractor
    half_a: np.ndarray  # float64 features (n, d)
    half_b: np.ndarray


def prepare_reference(params: Params) -> None:
    """Fit the extractors that must be fitted, and write them with the features of both halves to data/reference.

    Depends on the packed data and the extractors alone, so that all experiments on the same data share it.
    Raises `MetricError` where an extractor cannot be had from this data.
    """
    prepare_device(params.runtime)
    packed = Packed.open(paths.PACKED_FILE)
    packed.verify()
    for name in params.evaluate.extractors:
        extractor = _fitted(name, packed, params.evaluate)
        features = _extract(extractor, packed.all(packed.kind), f"Features of real data ({name})").features
        half_a, half_b = (features[rows] for rows in _halves(len(packed), params.evaluate.seed))
        write_bytes(paths.REFERENCE / name / "features.safetensors", save({"half_a": half_a, "half_b": half_b}))


def evaluate(params: Params) -> None:
    """Score data/samples with every extractor and write data/metrics.json, nested by extractor.

    Raises `MetricError` rather than write a number that means nothing.
    """
    prepare_device(params.runtime)
    packed, samples = Packed.open(paths.PACKED_FILE), Packed.open(paths.SAMPLES_FILE, "sample")
    samples.verify("sample")
    if (packed.kind, packed.shape) != (samples.kind, samples.shape):
        raise MetricError(
            f"samples are {samples.kind}s of {samples.shape}, real data {packed.kind}s of {packed.shape}: "
            "run `dvc repro sample`"
        )
    n = min(len(samples), len(packed) // 2)
    fake = samples.all(samples.kind)[:n]
    if samples.kind == "image":
        check_pixels(fake, "sample")
    judge = Judge(packed, params, fake, _untrained(params, packed, n))
    scores = {name: rounded(judge.scores(name)) for name in params.evaluate.extractors}
    write_json(paths.METRICS, {"schema": 1, "n_fake": n, "n_real": n, **scores})


@dataclass(frozen=True)
class Judge:
    """Scores one set of samples, and the untrained generator's beside it, with one extractor after another."""

    packed: Packed
    params: Params
    fake: Items
    untrained: Items

    def scores(self, name: str) -> Scores:
        """Return the scores that the extractor `name` gives."""
        reference = load_reference(name)
        fake = _extract(reference.extractor, self.fake, f"Features of samples ({name})")
        untrained = _extract(reference.extractor, self.untrained, f"Features before training ({name})")
        scores = {"extractor": reference.extractor.identity, **self._distances(reference, fake, untrained)}
        if fake.probabilities is not None:
            scores |= self._class_scores(fake.probabilities)
        if isinstance(reference.extractor, PatternExtractor):
            scores |= {
                "valid_share": valid_pattern_share(self.fake),
                "valid_share_untrained": valid_pattern_share(self.untrained),
            }
        else:
            scores |= self._neighbour_scores(reference, fake)
        return scores

    def _distances(self, reference: Reference, fake: Extracted, untrained: Extracted) -> Scores:
        """Fréchet and kernel distance to half A, with the floor between the halves and the untrained generator's."""
        n = len(self.fake)
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
        found = prdc(reference.half_a[: len(self.fake)], fake.features, k)
        names = ("precision", "recall", "density", "coverage")
        return {name: getattr(found, name) for name in names}

    def _class_scores(self, probabilities: np.ndarray) -> Scores:
        """Classifier score, and how the samples spread over the classes compared with the real labels."""
        classes = len(self.packed.classes)
        real = class_shares(self.packed.all("label"), classes)
        fake = class_shares(probabilities.argmax(axis=1), classes)
        mean, std = classifier_score(probabilities, default_splits(len(probabilities)))
        spread = {
            "classes": classes,
            "classes_covered": classes_covered(real, fake),
            "class_tv": total_variation(real, fake),
        }
        return {"cs": mean, **({"cs_std": std} if std is not None else {}), **spread}


def load_reference(name: str) -> Reference:
    """Load what `prepare_reference` wrote for an extractor. Raises `MetricError`."""
    folder = paths.REFERENCE / name
    if not (folder / "features.safetensors").is_file():
        raise MetricError(f"{folder}: no features of the real data; run `dvc repro reference`")
    features = load_file(folder / "features.safetensors")
    cls = metrics.load_extractor_class(name)
    extractor = cls.load(folder) if issubclass(cls, DomainExtractor) else cls()
    return Reference(extractor, features["half_a"], features["half_b"])


def rounded(scores: Scores) -> Scores:
    """Round floats to six significant digits: what follows differs between machines and would only make noise."""
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in scores.items()}


def _fitted(name: str, packed: Packed, cfg: Evaluate) -> Extractor:
    cls = metrics.load_extractor_class(name)
    if not issubclass(cls, DomainExtractor):
        return cls()
    if not packed.classes:
        raise MetricError(
            f"evaluate.extractors: domain needs labels, but {packed.name} has none; "
            "use pixel, or pattern for data.name = pattern"
        )
    images, labels = packed.all("image"), packed.all("label")
    with progress("Domain extractor", unit="img") as bar:
        extractor = cls.fit(
            images, labels, packed.classes, cfg.extractor_epochs, cfg.seed, cfg.extractor_accuracy, _advancing(bar)
        )
    extractor.save(paths.REFERENCE / name)
    return extractor


def _extract(extractor: Extractor, items: Items, title: str) -> Extracted:
    with progress(title, total=len(items), unit="img") as bar:
        return extractor.extract(items, _advancing(bar))


def _advancing(bar: Progress) -> Callable[[int, int], None]:
    """Return a callback that takes (done, total) and moves the bar to `done`."""
    return lambda done, total: bar.advance(done - bar.done)


def _halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(np.random.SeedSequence([seed, count])).permutation(count)
    return order[: count // 2], order[count // 2 : 2 * (count // 2)]


def _untrained(params: Params, packed: Packed, n: int) -> Items:
    """Return what the very generator that was trained draws before its first step."""
    system = systems.build(params.system, packed.spec, params.train.seed).eval()
    return np.concatenate(list(draw(system, n, params.sample.seed)))
