"""All scores of two sets of features, and `ganpipe score`: the same scores of any two sets of images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, UInt8

from ganpipe.config import choose
from ganpipe.core.spec import VALUES
from ganpipe.errors import ConfigError, MetricError
from ganpipe.metrics.checks import check_features, few_samples, one_picture, unequal_counts
from ganpipe.metrics.classifier_score import classifier_score, default_splits
from ganpipe.metrics.copies import copied_share, different
from ganpipe.metrics.distances import Neighbourhood, as_points
from ganpipe.metrics.extractors import EXTRACTORS, load_extractor_class, require_packages
from ganpipe.metrics.extractors.batches import as_colour
from ganpipe.metrics.extractors.extraction import ROWS, extract
from ganpipe.metrics.extractors.interface import INCEPTION, Extracted, Extractor
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.images import ImageSet, open_images
from ganpipe.metrics.infinity import can_be_extrapolated, frechet_at_infinity
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.prdc import FIRST_K, prdc

Scores = dict[str, Any]

AMONG = 5000
"""Items of each set that nearest neighbours are sought among: more take minutes, and change the scores little."""

FLOOR_SPLITS = 8
"""Random splits of the real items into two halves, whose distances give the floor and its spread."""

_SMALLEST = 32
"""Side in pixels from which on an ImageNet network is the default."""
_ROUNDING = 1e-9
"""A floor below this share of the variance is 0 but for rounding: the two halves are equal."""
_SEED = 0
"""Of the random order in which the images of a set are compared."""


def compare(
    real: Float[np.ndarray, "n d"],
    fake: Extracted,
    neighbours: int | None,
    other: Float[np.ndarray, "m d"] | None = None,
) -> Scores:
    """Return all scores of fakes against reals that are computed from features and class probabilities alone.

    `neighbours` is k of precision, recall, density and coverage; None leaves out all scores by nearest neighbours.
    `other` are more reals, for the floor. Raises `MetricError` for input that `check_features` or `Neighbourhood`
    refuses.
    """
    check_features(real, fake.features)
    near = {} if neighbours is None else _nearest_neighbour_scores(real, fake.features, neighbours, other)
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
    scores |= near
    if fake.probabilities is not None:
        mean, std = classifier_score(fake.probabilities, default_splits(len(fake.probabilities)))
        scores |= {"cs": mean, **({"cs_std": std} if std is not None else {})}
    return scores


def named(identity: str, scores: Scores) -> Scores:
    """Return scores with the entry `extractor`, under the names that belong to the extractor `identity`.

    Only Inception with its published weights gives `fid`, `kid`, `is_mean` and `is_std`.
    """
    if identity != INCEPTION:
        return {"extractor": identity, **scores}
    return {"extractor": identity, **{_literature_name(key): value for key, value in scores.items()}}


def rounded(scores: Scores) -> Scores:
    """Round floats to six significant digits: further digits differ between machines."""
    return {name: _rounded(value) for name, value in scores.items()}


def score_images(
    real: Path, fake: Path, extractor: str | None, at_most: int | None, neighbours: int, size: int | None = None
) -> tuple[Scores, list[str]]:
    """Score equally many images of `fake` and `real`, each a folder, an archive or a packed HDF5 file.

    `size` is that of `open_images`; the result records it. Returns a content like that of `metrics.json`, with the
    sha256 of the pixels compared, and remarks for a person. Where the real images are at least twice as many as those
    compared, others of them give the floor. `extractor` None: lite0 for colour images of at least 32 pixels, else
    pixel. Raises `MetricError`, `ConfigError`.
    """
    if extractor is not None:
        _check_extractor(extractor)
    sets = {"real": open_images(real, size), "fake": open_images(fake, size)}
    counts = {f"{name} ({found.path})": len(found) for name, found in sets.items()}
    n = min(*counts.values(), at_most or max(counts.values()))
    shown = {role: ComparedImages(found, f"{role} ({found.path})", n) for role, found in sets.items()}
    _check_sizes(sets)
    for images in shown.values():
        images.check()
    name = extractor or _default_extractor(shown["real"])
    network = load_extractor_class(name)()
    found = {role: images.extracted(network, f"Features of {role} images ({name})") for role, images in shown.items()}
    other = shown["real"].others(network, f"Features of other real images ({name})")
    scores = compare(found["real"].features, found["fake"], neighbours, other)
    scores["duplicate_share"] = shown["fake"].duplicate_share
    remarks: list[str | None] = [f"Note: {one.path}: left out {one.left_out}" for one in sets.values() if one.left_out]
    remarks += [unequal_counts(counts, n), few_samples(name, n, found["real"].features.shape[1])]
    content = {f"{role}_sha256": images.sha256 for role, images in shown.items()}
    resized = {} if size is None else {"size": size}
    result = {"schema": 1, "n_fake": n, "n_real": n, **resized, **content}
    result[name] = rounded(named(network.identity, scores))
    return result, [remark for remark in remarks if remark]


class ComparedImages:
    """The images of a set that are compared: `n` in random order, read part by part, hashed as an extractor sees them.

    In random order, because the first images may all be of one class, and classifier scores are means over parts.
    """

    def __init__(self, images: ImageSet, name: str, n: int) -> None:
        order = np.random.default_rng(_SEED).permutation(len(images))
        self._images, self._name = images, name
        self._rows, self._others = order[:n], order[n : 2 * n]
        self._pixels = hashlib.sha256(repr((n, *images.shape[:2], 3)).encode())
        self._seen: set[bytes] = set()

    @property
    def sha256(self) -> str:
        """The sha256 of their number, their size and the pixels an extractor has seen, in order."""
        return self._pixels.hexdigest()

    @property
    def duplicate_share(self) -> float:
        """The share of the images an extractor has seen that equal an earlier one, see `copies.duplicate_share`."""
        return 1 - len(self._seen) / len(self._rows)

    def check(self) -> None:
        """Raise `MetricError` where all images are the same picture, see `check_pixels`. Reads until two differ."""
        picture = self.colour(self._rows[:1])[0]
        for start in range(0, len(self._rows), ROWS):
            if (self.colour(self._rows[start : start + ROWS]) != picture).any():
                return
        if len(self._rows) > 1:
            raise one_picture(self._name, len(self._rows), picture)

    def colour(self, rows: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w 3"]:
        """Read rows of the set; grey ones are repeated to three channels."""
        return as_colour(self._images.read(rows))

    def first(self) -> UInt8[np.ndarray, "n h w 3"]:
        """Read the first part of the images."""
        return self.colour(self._rows[:ROWS])

    def extracted(self, extractor: Extractor, title: str) -> Extracted:
        """Return the features of the images."""
        return extract(extractor, self._hashed, self._rows, title)

    def others(self, extractor: Extractor, title: str) -> np.ndarray | None:
        """Return the features of as many other images of the set; None where it has fewer."""
        if len(self._others) < len(self._rows):
            return None
        return extract(extractor, self.colour, self._others, title).features

    def _hashed(self, rows: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w 3"]:
        images = self.colour(rows)
        self._pixels.update(images.tobytes())
        self._seen |= different(images)
        return images


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _nearest_neighbour_scores(
    real: Float[np.ndarray, "n d"],
    fake: Float[np.ndarray, "m d"],
    neighbours: int,
    other: Float[np.ndarray, "l d"] | None,
) -> Scores:
    """Return the scores by nearest neighbours among the first `AMONG` items of each set: their cost is quadratic."""
    furthest = max(neighbours, FIRST_K)
    reals = Neighbourhood(real[:AMONG], furthest, "real")
    fakes = Neighbourhood(fake[:AMONG], furthest, "fake")
    found = prdc(reals, fakes, {FIRST_K, neighbours})
    scores: Scores = {
        **found[neighbours]._asdict(),
        f"precision_k{FIRST_K}": found[FIRST_K].precision,
        f"recall_k{FIRST_K}": found[FIRST_K].recall,
        "copied_share": copied_share(reals, fakes.points),
    }
    if other is not None:
        scores["copied_share_floor"] = copied_share(reals, as_points(other[:AMONG]))
    return scores


def _floor(real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], fd: float) -> Scores:
    """Return the scores of more reals, which have the same bias of a finite sample and no fault of a generator.

    One split of the reals gives a Fréchet distance that is good to a factor of two: `fd_floor` is the mean over
    `FLOOR_SPLITS` random ones, the given one first, and `fd_floor_std` their standard deviation. The splits share their
    items, so that the deviation over other items is somewhat larger. `fd_ratio_std` is what it makes of the ratio.
    """
    floors = [frechet_distance(*halves) for halves in _splits(real, other)]
    floor, std = float(np.mean(floors)), float(np.std(floors, ddof=1))
    kernel = kernel_distance(real, other)
    scores: Scores = {"fd_floor": floor, "fd_floor_std": std, "kd_floor_x1000": 1000 * kernel.value}
    if floor > _ROUNDING * float(np.var(real, axis=0).sum()):
        scores |= {"fd_ratio": fd / floor, "fd_ratio_std": fd / floor * std / floor}
    return scores


def _splits(
    real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"]
) -> Iterator[tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]]:
    """Split all reals `FLOOR_SPLITS` times into two parts of these sizes: first as given, then at random."""
    yield real, other
    pool, generator = np.concatenate([real, other]), np.random.default_rng(_SEED)
    for _ in range(FLOOR_SPLITS - 1):
        order = generator.permutation(len(pool))
        yield pool[order[: len(real)]], pool[order[len(real) :]]


def _literature_name(key: str) -> str:
    if key in ("cs", "cs_std"):
        return {"cs": "is_mean", "cs_std": "is_std"}[key]
    head, mark, tail = key.partition("_")
    return {"fd": "fid", "kd": "kid"}.get(head, head) + mark + tail


def _check_sizes(sets: Mapping[str, ImageSet]) -> None:
    sizes = [f"{found.shape[1]} x {found.shape[0]}" for found in sets.values()]
    if sizes[0] != sizes[1]:
        raise MetricError(
            f"real and fake images are of {sizes[0]} and {sizes[1]} pixels: give --size N to bring both to N x N "
            "pixels, as packing does; resizing changes every score, so compare scores of one size only"
        )


def _default_extractor(images: ComparedImages) -> str:
    """Choose by the first part of the images, which are in random order."""
    first = images.first()
    grey = bool((first == first[..., :1]).all())
    return "pixel" if grey or min(first.shape[1:3]) < _SMALLEST else "lite0"


def _check_extractor(name: str) -> None:
    """Raise `ConfigError` unless the extractor looks at images, needs no labels, and has its package."""
    able = {other: entry for other, entry in EXTRACTORS.items() if "image" in entry.kinds and not entry.labels}
    if name in EXTRACTORS and name not in able:
        looks = " or ".join(VALUES[kind] for kind in EXTRACTORS[name].kinds)
        why = "is trained on labels" if EXTRACTORS[name].labels else f"looks at {looks}"
        raise ConfigError(f"--extractor {name} {why}, which only `dvc repro` has; use {', '.join(able)}")
    require_packages(choose("extractor", name, able, "--extractor"))
