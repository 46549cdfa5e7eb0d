"""What two sets of features say about each other, and `ganpipe score`: the same for anybody's images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, UInt8

from ganpipe.config import choose
from ganpipe.errors import ConfigError, MetricError
from ganpipe.metrics.checks import check_features, few_samples, one_picture, unequal_counts
from ganpipe.metrics.classifier_score import classifier_score, default_splits
from ganpipe.metrics.distances import Neighbourhood, as_points
from ganpipe.metrics.extractors import EXTRACTORS, load_extractor_class, require_packages
from ganpipe.metrics.extractors.batches import as_colour
from ganpipe.metrics.extractors.extraction import ROWS, extract
from ganpipe.metrics.extractors.interface import INCEPTION, Extracted, Extractor
from ganpipe.metrics.frechet import frechet_distance
from ganpipe.metrics.images import ImageSet, open_images
from ganpipe.metrics.infinity import can_be_extrapolated, frechet_at_infinity
from ganpipe.metrics.kernel import kernel_distance
from ganpipe.metrics.memorisation import copied_share, different
from ganpipe.metrics.prdc import FIRST_K, prdc

Scores = dict[str, Any]

NEIGHBOURS_AMONG = 5000
"""Items of each set that neighbours are sought among: more take minutes, and change the scores little."""

_SMALLEST = 32  # pixels a side that an ImageNet network can make something of
_ROUNDING = 1e-9  # a floor below this share of the variance is that of equal sets
_SEED = 0  # of the choice of images from the larger set


def compare(
    real: Float[np.ndarray, "n d"],
    fake: Extracted,
    neighbours: int | None,
    other: Float[np.ndarray, "m d"] | None = None,
) -> Scores:
    """Return all scores of fakes against reals that need nothing but what an extractor made of them.

    `other` are more reals, for the floor; `neighbours` None leaves out what is found by nearest neighbours.
    Raises `MetricError` for what `check_features` and `Neighbourhood` refuse.
    """
    check_features(real, fake.features)
    near = {} if neighbours is None else _by_neighbours(real, fake.features, neighbours, other)
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

    Where the real ones are twice as many, as many others of them give the floor. Returns what `metrics.json` would
    hold, with the sha256 of the pixels compared, and remarks for a person. `extractor` None: lite0 for colour images of
    at least 32 pixels, else pixel. Raises `MetricError`, `ConfigError`.
    """
    if extractor is not None:
        _check_extractor(extractor)
    sets = {"real": open_images(real), "fake": open_images(fake)}
    counts = {f"{name} ({found.path})": len(found) for name, found in sets.items()}
    n = min(*counts.values(), at_most or max(counts.values()))
    shown = {role: Shown(found, f"{role} ({found.path})", n) for role, found in sets.items()}
    _check_sizes(sets)
    for images in shown.values():
        images.check()
    name = extractor or _suitable(shown["real"])
    network = load_extractor_class(name)()
    found = {role: images.extracted(network, f"Features of {role} images ({name})") for role, images in shown.items()}
    other = shown["real"].others(network, f"Features of other real images ({name})")
    scores = compare(found["real"].features, found["fake"], neighbours, other)
    scores["duplicate_share"] = shown["fake"].duplicate_share
    remarks = [unequal_counts(counts, n), few_samples(name, n, found["real"].features.shape[1])]
    content = {f"{role}_sha256": images.sha256 for role, images in shown.items()}
    result = {"schema": 1, "n_fake": n, "n_real": n, **content, name: rounded(named(network.identity, scores))}
    return result, [remark for remark in remarks if remark]


class Shown:
    """The images of a set that are compared, in random order, read part by part; notes what an extractor was shown.

    In random order, because the first ones may all be of one class, and classifier scores are means over parts.
    """

    def __init__(self, images: ImageSet, name: str, n: int) -> None:
        order = np.random.default_rng(_SEED).permutation(len(images))
        self._images, self._name = images, name
        self._rows, self._others = order[:n], order[n : 2 * n]
        self._pixels = hashlib.sha256(repr((n, *images.shape[:2], 3)).encode())
        self._seen: set[bytes] = set()

    @property
    def sha256(self) -> str:
        """Of the size and all pixels that were shown, in their order."""
        return self._pixels.hexdigest()

    @property
    def duplicate_share(self) -> float:
        """The share of the images shown that repeat one before them, see `memorisation.duplicate_share`."""
        return 1 - len(self._seen) / len(self._rows)

    def check(self) -> None:
        """Raise `MetricError` where all images are the same picture (see `check_pixels`): reads on until two differ."""
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
        """Return what an extractor makes of the images."""
        return extract(extractor, self._noted, self._rows, title)

    def others(self, extractor: Extractor, title: str) -> np.ndarray | None:
        """Return the features of as many images that are not compared; None where there are fewer."""
        if len(self._others) < len(self._rows):
            return None
        return extract(extractor, self.colour, self._others, title).features

    def _noted(self, rows: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w 3"]:
        images = self.colour(rows)
        self._pixels.update(images.tobytes())
        self._seen |= different(images)
        return images


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _by_neighbours(
    real: Float[np.ndarray, "n d"],
    fake: Float[np.ndarray, "m d"],
    neighbours: int,
    other: Float[np.ndarray, "l d"] | None,
) -> Scores:
    """What the nearest neighbours say, among the first `NEIGHBOURS_AMONG` of each set: their cost is quadratic."""
    furthest = max(neighbours, FIRST_K)
    reals = Neighbourhood(real[:NEIGHBOURS_AMONG], furthest, "real")
    fakes = Neighbourhood(fake[:NEIGHBOURS_AMONG], furthest, "fake")
    found = prdc(reals, fakes, {FIRST_K, neighbours})
    scores: Scores = {
        **found[neighbours]._asdict(),
        f"precision_k{FIRST_K}": found[FIRST_K].precision,
        f"recall_k{FIRST_K}": found[FIRST_K].recall,
        "copied_share": copied_share(reals, fakes.points),
    }
    if other is not None:
        scores["copied_share_floor"] = copied_share(reals, as_points(other[:NEIGHBOURS_AMONG]))
    return scores


def _floor(real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"], fd: float) -> Scores:
    """What other reals score: the same bias of a finite sample, and no fault of a generator."""
    floor = frechet_distance(real, other)
    ratio = {"fd_ratio": fd / floor} if floor > _ROUNDING * float(np.var(real, axis=0).sum()) else {}
    return {"fd_floor": floor, "kd_floor_x1000": 1000 * kernel_distance(real, other).value, **ratio}


def _literature_name(key: str) -> str:
    if key in ("cs", "cs_std"):
        return {"cs": "is_mean", "cs_std": "is_std"}[key]
    head, mark, tail = key.partition("_")
    return {"fd": "fid", "kd": "kid"}.get(head, head) + mark + tail


def _check_sizes(sets: Mapping[str, ImageSet]) -> None:
    sizes = [f"{found.shape[1]} x {found.shape[0]}" for found in sets.values()]
    if sizes[0] != sizes[1]:
        raise MetricError(
            f"real and fake images are of {sizes[0]} and {sizes[1]} pixels: bring both to one size, as data.name: "
            "folder with data.size does, because resizing changes every score"
        )


def _suitable(images: Shown) -> str:
    """Choose by the first of the images, which are in random order."""
    first = images.first()
    grey = bool((first == first[..., :1]).all())
    return "pixel" if grey or min(first.shape[1:3]) < _SMALLEST else "lite0"


def _check_extractor(name: str) -> None:
    """Raise `ConfigError` unless the extractor looks at images, needs no labels, and has its package."""
    able = {other: entry for other, entry in EXTRACTORS.items() if entry.kind == "image" and not entry.labels}
    if name in EXTRACTORS and name not in able:
        why = "is trained on labels" if EXTRACTORS[name].labels else "looks at vectors"
        raise ConfigError(f"--extractor {name} {why}, which only `dvc repro` has; use {', '.join(able)}")
    require_packages(choose("extractor", name, able, "--extractor"))
