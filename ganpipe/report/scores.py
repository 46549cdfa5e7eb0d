"""The scores of metrics.json arranged for people: what each means, what real data and the untrained generator reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["lower", "higher", ""]

_MEASURES: dict[str, tuple[str, Better, str]] = {
    "fid": ("FID", "lower", "Fréchet distance between features of Inception, with its verified weights"),
    "fid_ratio": ("FID / floor", "lower", "1 is as near as other real data"),
    "fid_infinity": ("FID, extrapolated", "lower", "to infinitely many samples"),
    "fd": ("Fréchet distance", "lower", "between Gaussians fitted to features; not FID, compare on the same data only"),
    "fd_ratio": ("Fréchet distance / floor", "lower", "1 is as near as other real data"),
    "fd_infinity": ("Fréchet distance, extrapolated", "lower", "to infinitely many samples"),
    "kid_x1000": ("KID · 1000", "lower", "kernel distance between features of Inception, with its verified weights"),
    "kd_x1000": ("Kernel distance · 1000", "lower", "unbiased, may fall below 0; compare on the same data only"),
    "is_mean": ("Inception score", "higher", "confident and varied classification by Inception"),
    "cs": ("Classifier score", "higher", "confident and varied classification, at most the number of classes"),
    "precision": ("Precision", "higher", "share of samples among real data"),
    "recall": ("Recall", "higher", "share of real data among samples"),
    "precision_k3": ("Precision, k = 3", "higher", "by the three nearest neighbours of the original paper"),
    "recall_k3": ("Recall, k = 3", "higher", "by the three nearest neighbours of the original paper"),
    "density": ("Density", "higher", "like precision, counting how often; about 1 for real data"),
    "coverage": ("Coverage", "higher", "share of real items with a sample close by"),
    "classes_covered": ("Classes covered", "higher", "classes with at least a tenth of their real share"),
    "class_tv": ("Class imbalance", "lower", "share of samples that would have to change class"),
    "conditional_accuracy": ("Conditional accuracy", "higher", "share of samples of the class that was asked for"),
    "classification_accuracy": ("Accuracy learned from samples", "higher", "of a classifier of real data"),
    "valid_share": ("Valid patterns", "higher", "share of samples that are right"),
    "duplicate_share": ("Duplicates", "lower", "share of samples that repeat another"),
    "memorised_share": ("Memorised", "lower", "share at most half as far from a training item as real items are apart"),
    "copied_share": ("Copied", "", "share of samples nearer to a real item than the next real one"),
}
"""name -> title, which way is better, what it is. A score that is not here is shown under its own name."""

HEADLINES = ("fid", "fd", "kid_x1000", "kd_x1000", "valid_share", "precision", "recall", "coverage", "classes_covered")
_BESIDE = ("floor", "untrained", "std", "real")  # what a name may end in that describes another score
_PROTOCOL = ("extractor", "classes")


@dataclass(frozen=True)
class Score:
    """One score with what belongs beside it; None where it was not measured."""

    name: str
    title: str
    about: str
    better: Better
    value: float
    floor: float | None  # real data against other real data
    untrained: float | None
    std: float | None
    out_of: int | None = None

    @property
    def place(self) -> float | None:
        """Per cent of the way from the untrained generator to the floor, by logarithm; None where there is no scale."""
        if self.floor is None or self.untrained is None or min(self.floor, self.untrained, self.value) <= 0:
            return None
        whole = math.log(self.untrained / self.floor)
        return None if whole <= 0 else min(100.0, max(0.0, 100 * math.log(self.untrained / self.value) / whole))


@dataclass(frozen=True)
class Judged:
    """All scores that one extractor gave."""

    extractor: str
    identity: str  # name and sha
    scores: Sequence[Score]


def judged(content: Mapping[str, Any]) -> list[Judged]:
    """Arrange the content of metrics.json, extractor by extractor."""
    return [
        Judged(name, str(found.get("extractor", name)), arranged(found))
        for name, found in content.items()
        if isinstance(found, Mapping)
    ]


def arranged(found: Mapping[str, Any]) -> list[Score]:
    """Return the scores of one extractor, the known ones first; floors and the like beside those they belong to."""
    numbers = {name: float(value) for name, value in found.items() if _is_number(value) and name not in _PROTOCOL}
    own = [name for name in numbers if not any(_belongs(name, ending, numbers) for ending in _BESIDE)]
    order = list(_MEASURES)
    own.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
    return [_score(name, numbers, found) for name in own]


def headlines(scores: Sequence[Score]) -> list[Score]:
    """Return those of the scores that say most, in that order."""
    named = {score.name: score for score in scores}
    return [named[name] for name in HEADLINES if name in named]


def shown(value: float | None) -> str:
    """Return a number with three or four digits that count."""
    if value is None:
        return ""
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def best(scores: Sequence[Score | None]) -> list[bool]:
    """Return which of one score's values are the best; none where all are equal or no way is better."""
    values = [score.value for score in scores if score]
    way = next((score.better for score in scores if score), "")
    if not way or len(values) < 2 or min(values) == max(values):
        return [False] * len(scores)
    target = min(values) if way == "lower" else max(values)
    return [score is not None and score.value == target for score in scores]


def _score(name: str, numbers: Mapping[str, float], found: Mapping[str, Any]) -> Score:
    title, better, about = _MEASURES.get(name, (name.replace("_", " "), "", ""))
    beside = {ending: numbers.get(_companion(name, ending)) for ending in _BESIDE}
    floor = beside["floor"] if beside["floor"] is not None else beside["real"]
    classes = found.get("classes") if name == "classes_covered" else None
    return Score(name, title, about, better, numbers[name], floor, beside["untrained"], beside["std"], classes)


def _companion(name: str, ending: str) -> str:
    """Return where what belongs to a score is kept: its floor or the like.

    `fd` -> `fd_floor`, `kd_x1000` -> `kd_floor_x1000`, `is_mean` -> `is_std`.
    """
    stem, scale, rest = name.partition("_x1000")
    return f"{stem.removesuffix('_mean')}_{ending}{scale}{rest}"


def _belongs(name: str, ending: str, numbers: Mapping[str, float]) -> bool:
    return any(_companion(other, ending) == name for other in numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
