"""What two sets of features say about each other, and `ganpipe score`: the same for anybody's images."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ganpipe import metrics
from ganpipe.errors import ConfigError, MetricError
from ganpipe.metrics.batches import as_colour
from ganpipe.metrics.checks import check_pixels, few_samples, unequal_counts
from ganpipe.metrics.classifier_score import classifier_score, default_splits
from ganpipe.metrics.extractor import INCEPTION, Extracted
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.images import ImageSet, open_images
from ganpipe.metrics.infinity import can_be_extrapolated, frechet_at_infinity
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.memorisation import copied_share
from ganpipe.metrics.prdc import FIRST_K, check_enough, prdc
from ganpipe.metrics.reference import extract

Scores = dict[str, Any]

_SMALLEST = 32  # pixels a side that an ImageNet network can make something of
_SEED = 0  # of the choice of images from the larger set


def compare(
    real: Float[np.ndarray, "n d"],
    fake: Extracted,
    neighbours: int | None,
    other: Float[np.ndarray, "m d"] | None = None,
) -> Scores:
    """Return all scores of fakes against reals that need nothing but what an extractor made of them.

    `other` are more reals, for the floor; `neighbours` None leaves out what is found by nearest neighbours.
    Raises `MetricError` for what `check_features` and `check_enough` refuse.
    """
    if neighbours is not None:
        check_enough(real, fake.features, max(neighbours, FIRST_K))
    kernel = kernel_distance(real, fake.features)
    scores: Scores = {
        "fd": frechet_distance(real, fake.features),
        "kd_x1000": 1000 * kernel.value,
        "kd_std_x1000": 1000 * kernel.std,
    }
    if can_be_extrapolated(len(fake.features), real.shape[1]):
        scores["fd_infinity"] = frechet_at_infinity(real, fake.features)
    if other is not None:
        scores |= _floor(real, other, scores["fd"])
    if neighbours is not None:
        scores |= prdc(real, fake.features, neighbours)._asdict()
        first = prdc(real, fake.features, FIRST_K)
        scores |= {f"precision_k{FIRST_K}": first.precision, f"recall_k{FIRST_K}": first.recall}
        scores["copied_share"] = copied_share(real, fake.features)
        if other is not None:
            scores["copied_share_floor"] = copied_share(real, other)
    if fake.probabilities is not None:
        mean, std = classifier_score(fake.probabilities, default_splits(len(fake.probabilities)))
        scores |= {"cs": mean, **({"cs_std": std} if std is not None else {})}
    return scores


def named(identity: str, scores: Scores) -> Scores:
    """Return scores under the names that the extractor `identity` gives them, `extractor` among them.

    Only Inception with its published weights gives `fid`, `kid`, `is_mean` and `is_std`.
    """
    if identity != INCEPTION:
        return {"extractor": identity, **scores}
    return {"extractor": identity, **{_literature_name(key): value for key, value in scores.items()}}


def rounded(scores: Scores) -> Scores:
    """Round floats to six significant digits: what follows differs between machines and would only make noise."""
    return {name: _rounded(value) for name, value in scores.items()}


def score_images(
    real: Path, fake: Path, extractor: str | None, at_most: int | None, neighbours: int
) -> tuple[Scores, list[str]]:
    """Score the images of `fake` against those of `real`, each a folder or a packed HDF5 file, with equally many.

    Returns what `metrics.json` would hold, with the sha256 of the pixels of both, and remarks for a person. `extractor`
    None: lite0 for colour images of at least 32 pixels, else pixel. Raises `MetricError`, `DataError`, `ConfigError`.
    """
    sets = {"real": open_images(real), "fake": open_images(fake)}
    counts = {f"{name} ({found.path})": len(found) for name, found in sets.items()}
    n = min(*counts.values(), at_most or max(counts.values()))
    images = {name: as_colour(found.read(_chosen(len(found), n))) for name, found in sets.items()}
    _check(images["real"], images["fake"], sets)
    name = extractor or _suitable(images["real"])
    network = _opened(name)
    found = {role: extract(network, pixels, f"Features of {role} images ({name})") for role, pixels in images.items()}
    scores = compare(found["real"].features, found["fake"], neighbours)
    remarks = [unequal_counts(counts, n), few_samples(name, n, found["real"].features.shape[1])]
    content = {f"{role}_sha256": _content(pixels) for role, pixels in images.items()}
    result = {"schema": 1, "n_fake": n, "n_real": n, **content, name: rounded(named(network.identity, scores))}
    return result, [remark for remark in remarks if remark]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _floor(real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], fd: float) -> Scores:
    """What other reals score: the same bias of a finite sample, and no fault of a generator."""
    floor = frechet_distance(real, other)
    ratio = {"fd_ratio": fd / floor} if floor > 0 else {}
    return {"fd_floor": floor, "kd_floor_x1000": 1000 * kernel_distance(real, other).value, **ratio}


def _literature_name(key: str) -> str:
    if key in ("cs", "cs_std"):
        return {"cs": "is_mean", "cs_std": "is_std"}[key]
    head, mark, tail = key.partition("_")
    return {"fd": "fid", "kd": "kid"}.get(head, head) + mark + tail


def _chosen(count: int, n: int) -> np.ndarray:
    """Return `n` of `count` rows, drawn with a fixed seed: the first ones may all be of one class."""
    return np.sort(np.random.default_rng(_SEED).permutation(count)[:n])


def _check(real: UInt8[np.ndarray, "n h w 3"], fake: UInt8[np.ndarray, "n y x 3"], sets: dict[str, ImageSet]) -> None:
    for role, images in (("real", real), ("fake", fake)):
        check_pixels(images, f"{role} ({sets[role].path})")
    if real.shape[1:] != fake.shape[1:]:
        sizes = " and ".join(f"{images.shape[2]} x {images.shape[1]}" for images in (real, fake))
        raise MetricError(
            f"real and fake images are of {sizes} pixels: bring both to one size, as data.name: folder with data.size "
            "does, because resizing changes every score"
        )


def _suitable(images: UInt8[np.ndarray, "n h w 3"]) -> str:
    grey = bool((images == images[..., :1]).all())
    return "pixel" if grey or min(images.shape[1:3]) < _SMALLEST else "lite0"


def _opened(name: str) -> Any:
    cls = metrics.load_extractor_class(name)
    entry = metrics.EXTRACTORS[name]
    if entry.labels or entry.kind != "image":
        able = [other for other, of in metrics.EXTRACTORS.items() if of.kind == "image" and not of.labels]
        why = "is trained on the labels of a packed data set" if entry.labels else f"looks at {entry.kind}s"
        raise ConfigError(f"ganpipe score: extractor {name} {why}, see `dvc repro`; use {', '.join(able)}")
    return cls()


def _content(images: UInt8[np.ndarray, "n h w 3"]) -> str:
    return hashlib.sha256(repr(images.shape).encode() + images.tobytes()).hexdigest()
