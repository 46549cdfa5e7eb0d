"""The scores of metrics.json arranged for people: each with its meaning, and with the scores of simple baselines.

Scores come in blocks: those of one extractor for one output of the system, or those of one output compared with its
targets, row by row, or with what is known of each (`COMPARED`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Better = Literal["lower", "higher", ""]

COMPARED = ("paired", "translation", "attributes", "photographs", "music")
"""The keys of metrics.json under which outputs are compared with what is known of each; no extractor is involved."""

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
"""name -> title, which way is better, explanation. A score in no table is shown under its own name."""

_PAIRED_MEASURES: dict[str, tuple[str, Better, str]] = {
    "l1": ("Distance to the target, L1", "lower", "mean absolute difference from the target"),
    "psnr": ("PSNR", "higher", "peak signal-to-noise ratio against the target, in dB"),
    "ssim": ("SSIM", "higher", "structural similarity to the target"),
    "psnr_y": ("PSNR of Y", "higher", "of luma without the border, over whole photographs, in dB"),
    "ssim_y": ("SSIM of Y", "higher", "of luma without the border, over whole photographs"),
    "l1_differing": ("Distance where input and target differ, L1", "lower", "over the pixels that had to change"),
    "differing_share": ("Pixels that differ", "", "share of pixels in which input and target are not equal"),
    "sharpness": ("Sharpness", "", "mean slope between pixels, divided by that of real pictures: 1 is as sharp"),
    "cycle_l1": ("Cycle error, L1", "lower", "between what was given and what came back of it; a copy has 0"),
    "attribute_accuracy": ("Attributes as asked for", "higher", "share that a classifier sees, over all attributes"),
    "attribute_accuracy_lowest": ("The same, lowest attribute", "higher", "of the attribute that fails most often"),
    "polyphony_onset": ("Polyphony of beginnings", "", "share of moments of beginning where two or more tones begin"),
    "polyphony_time": ("Polyphony", "", "share of the sounding time in which two or more tones sound"),
    "scale_consistency": ("Scale consistency", "", "share of tones in the major or natural minor scale that fits best"),
    "repetitions": ("Repetitions", "", "times that three consecutive pitches come again in a window"),
    "tone_span": ("Tone span", "", "semitones from the lowest to the highest pitch of a window"),
    "unique_tones": ("Unique tones", "", "different pitches in a window"),
    "attributes_kept": ("Attributes kept", "higher", "share of the other attributes that are as in the given picture"),
}
"""The same for scores that compare an output with what is known of it."""

_BY_LABEL: dict[str, tuple[str, Better, str]] = {
    "kept_": ("Kept", "higher", "share of outputs in which a classifier sees the {} of the given row"),
    "nearest_": ("Nearest", "higher", "share of outputs nearer to their target than to that of every other {}"),
    "feature_distance_": ("Distance of features", "lower", "from the photograph, relative, in the eyes of {}"),
    "distance_": ("Distance from real music", "lower", "of {}, in standard deviations of real windows"),
    "gram_": ("Distance of textures", "lower", "of Gram matrices from those of real pictures, relative, by {}"),
}
"""Beginning of the names of scores that end in the name of a label or a network -> title, direction, explanation."""
_KNOWN = _MEASURES | _PAIRED_MEASURES
HEADLINES = (
    "fid", "fd", "kid_x1000", "kd_x1000", "valid_share", "precision", "recall", "coverage", "classes_covered",
    "l1", "psnr",
)  # fmt: skip
_BASELINES = {
    "mean_image": "mean image",
    "copy": "copy of the input",
    "bicubic": "bicubic",
    "real_sd": "spread of real data",
    "shuffled": "pitches shuffled",
    "random": "random pitches",
}
"""What needs no training, to compare with: the ending of the name of its score -> the name on the page."""
_BESIDE = ("floor", "untrained", "std", "real", *_BASELINES)  # endings of names of numbers that describe a score
_PROTOCOL = ("extractor", "classes", "border", "photographs")
FLOOR, UNTRAINED = "real data (floor)", "untrained"


@dataclass(frozen=True)
class Score:
    """One score with the numbers that describe it; None where they were not measured."""

    name: str
    title: str
    about: str
    better: Better
    value: float
    floor: float | None  # real data against other real data
    untrained: float | None
    std: float | None
    out_of: int | None = None
    baselines: Mapping[str, float] = field(default_factory=dict)  # by the name on the page

    @property
    def place(self) -> float | None:
        """Per cent of the way from the untrained generator to the floor, by logarithm; None where there is no scale."""
        if self.floor is None or self.untrained is None or min(self.floor, self.untrained, self.value) <= 0:
            return None
        whole = math.log(self.untrained / self.floor)
        return None if whole <= 0 else min(100.0, max(0.0, 100 * math.log(self.untrained / self.value) / whole))

    @property
    def beaten_by(self) -> Sequence[str]:
        """The baselines that score better than the generator."""
        sign = {"lower": 1, "higher": -1, "": 0}[self.better]
        return [name for name, value in self.baselines.items() if sign * value < sign * self.value]

    def beside(self, reference: str) -> float | None:
        """Return the score of a reference of `Block.references`, None where it was not measured."""
        return {FLOOR: self.floor, UNTRAINED: self.untrained, **self.baselines}.get(reference)


@dataclass(frozen=True)
class Block:
    """All scores of one output by one extractor, or by its targets."""

    extractor: str  # the key in metrics.json
    identity: str  # name and sha of the extractor; empty where none was used
    scores: Sequence[Score]
    output: str = ""  # empty for a system with one output

    @property
    def name(self) -> str:
        """The title of the block on a page."""
        return f"{self.extractor} · {self.output}" if self.output else self.extractor

    @property
    def references(self) -> Sequence[str]:
        """The columns beside the values: floor and untrained generator of an extractor, and all baselines there are."""
        measured = dict.fromkeys(name for score in self.scores for name in score.baselines)
        usual = [
            name for name in (FLOOR, UNTRAINED) if self.identity or any(s.beside(name) is not None for s in self.scores)
        ]
        return [*usual, *measured]


def read_blocks(content: Mapping[str, Any]) -> list[Block]:
    """Arrange the content of metrics.json, block by block in its order, but with comparisons to targets last."""
    return [
        _block(name, found, output, scores)
        for name, found in sorted(content.items(), key=lambda item: item[0] in COMPARED)
        if isinstance(found, Mapping)
        for output, scores in _by_output(found).items()
    ]


def arranged(found: Mapping[str, Any]) -> list[Score]:
    """Return the scores of one block, the known ones first; floors and baselines beside those they belong to."""
    numbers = {name: float(value) for name, value in found.items() if _is_number(value) and name not in _PROTOCOL}
    own = [name for name in numbers if not any(_belongs(name, ending, numbers) for ending in _BESIDE)]
    order = list(_KNOWN)
    own.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
    return [_score(name, numbers, found) for name in own]


def headlines(scores: Sequence[Score]) -> list[Score]:
    """Return those of the scores that say most, in that order."""
    named = {score.name: score for score in scores}
    return [named[name] for name in HEADLINES if name in named]


def shown(value: float | None) -> str:
    """Return a number with three or four significant digits."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def best(scores: Sequence[Score | None]) -> list[bool]:
    """Return which of one score's values are the best; no value is if all are equal or neither way is better."""
    values = [score.value for score in scores if score]
    way = next((score.better for score in scores if score), "")
    if not way or len(values) < 2 or min(values) == max(values):
        return [False] * len(scores)
    target = min(values) if way == "lower" else max(values)
    return [score is not None and score.value == target for score in scores]


def _by_output(found: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the scores of each output by its name; the name is empty where a system has one output."""
    inner = {name: value for name, value in found.items() if isinstance(value, Mapping)}
    has_scores = any(_is_number(value) for name, value in found.items() if name not in _PROTOCOL)
    return {"": found} if has_scores or not inner else inner


def _block(name: str, found: Mapping[str, Any], output: str, scores: Mapping[str, Any]) -> Block:
    identity = "" if name in COMPARED else str(scores.get("extractor", found.get("extractor", name)))
    return Block(name, identity, arranged(scores), output)


def _score(name: str, numbers: Mapping[str, float], found: Mapping[str, Any]) -> Score:
    title, better, about = _KNOWN.get(name) or _of_label(name)
    beside = {ending: numbers.get(_companion(name, ending)) for ending in _BESIDE}
    floor = beside["floor"] if beside["floor"] is not None else beside["real"]
    baselines = {called: value for ending, called in _BASELINES.items() if (value := beside[ending]) is not None}
    classes = found.get("classes") if name == "classes_covered" else None
    return Score(
        name, title, about, better, numbers[name], floor, beside["untrained"], beside["std"], classes, baselines
    )


def _of_label(name: str) -> tuple[str, Better, str]:
    """Return title, direction and explanation of a score whose name holds that of a label, or of an unknown one."""
    for beginning, (title, better, about) in _BY_LABEL.items():
        if name.startswith(beginning):
            label = name.removeprefix(beginning)
            return f"{title}: {label}", better, about.format(label)
    return name.replace("_", " "), "", ""


def _companion(name: str, ending: str) -> str:
    """Return the name of a number that describes a score, such as its floor.

    `fd` -> `fd_floor`, `kd_x1000` -> `kd_floor_x1000`, `is_mean` -> `is_std`.
    """
    stem, scale, rest = name.partition("_x1000")
    return f"{stem.removesuffix('_mean')}_{ending}{scale}{rest}"


def _belongs(name: str, ending: str, numbers: Mapping[str, float]) -> bool:
    return any(_companion(other, ending) == name for other in numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
