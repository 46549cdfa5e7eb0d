"""Signs of a failing training, found in its history: what failed, when, the numbers that show it, what to do.

A detector looks at the rows of a history, oldest first, and says whether the newest one completes the evidence. So the
findings of a history are a function of its rows alone: a resumed training neither repeats nor loses one, and a finding
stays when later rows look better.

The thresholds were set between two kinds of real runs: the healthy recipes on digits, Fashion-MNIST and 1010, and the
GAN of Rashid's book that draws one image for every seed. The hardest healthy run is `digits-mlp`: its discriminator
wins by 0.97 to 0.03 from 28 to 54 kimg and loses the lead again. Hence nothing counts that does not last.
A detector whose columns are absent is silent: a Wasserstein critic has no scores.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ganpipe.history.table import Row

LOST, WON = 0.05, 0.95
"""Scores of a player that has lost and of one that has won; 0.5 is balance. Healthy runs stay within 0.1 and 0.9."""
FOOLED = 0.9  # generator score at which the discriminator takes nearly every fake for real; healthy: up to 0.6
LASTING_ROWS = 10  # rows that a lasting state fills at least ...
LASTING_SHARE = 0.6  # ... and its share of the training so far; 0.45 in `digits-mlp`, which recovers

COLLAPSED = 0.25  # diversity below which the samples are one image, more or less; healthy: 0.4 and more after 10 kimg
REPEATED = 0.03  # nearest-neighbour diversity below which they are copies of a few; `digits-mlp`, at its worst: 0.05
COLLAPSED_PREVIEWS = 3  # in a row, and without the growth by which a young generator leaves its first grey:
GROWTH = 1.25  # the newest of them against the oldest

SWING_LOW, SWING_HIGH = 0.2, 0.8  # generator scores between which an oscillating game swings; healthy: 0.01 to 0.6
SWINGS, SWING_ROWS = 6, 60  # so many within so many rows

VANISHED = 0.01  # norm of the generator's gradient over that of its first rows
FIRST_ROWS = 5

EVALUATIONS = ("fd", "fid")  # columns with a score that should fall; published failures rise to 2.8 to 5 times the best
RISE = 1.5  # over the best value ...
RISEN_EVALUATIONS = 3  # ... for so many evaluations
FLAT_EVALUATIONS = 10  # before a curve can be called flat
FLAT_GAIN = 0.05  # share by which the best of the later three quarters must beat the best of the first quarter ...
FLAT_BAND = 0.1  # share by which the later ones may lie above it in the middle: else the curve rises
FLAT_LEVEL = 0.5  # ... unless that quarter had already brought it below this share of the first value


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that goes wrong in a training."""

    name: str
    kimg: float  # when the evidence was complete
    evidence: str  # a sentence with the numbers
    remedy: str  # what to do, with keys of params.yaml

    def __str__(self) -> str:
        return f"{self.name} at {self.kimg:g} kimg: {self.evidence}; {self.remedy}"


def diagnose(rows: Sequence[Row]) -> list[Finding]:
    """Return all findings of a history, each name once, in the order in which they came up."""
    found: list[Finding] = []
    seen: list[Row] = []
    for row in rows:
        seen.append(row)
        found += news(seen, {finding.name for finding in found})
    return found


def news(rows: Sequence[Row], known: Collection[str]) -> list[Finding]:
    """Return the findings that the newest row completes, except for those whose name is known already."""
    found = []
    for name, (detect, remedy) in DETECTORS.items():
        evidence = None if name in known else detect(rows)
        if evidence is not None:
            found.append(Finding(name, rows[-1]["kimg"], evidence, remedy))
    return found


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as the content of `data/findings.json`."""
    return [dataclasses.asdict(finding) for finding in findings]


def non_finite(rows: Sequence[Row]) -> str | None:
    """A number that is none. In a training that one ends, before a row is closed."""
    bad = next((name for name, value in rows[-1].items() if not math.isfinite(value)), None)
    return None if bad is None else f"{bad} is {rows[-1][bad]}"


def discriminator_dominance(rows: Sequence[Row]) -> str | None:
    """The discriminator tells real from fake without fail, and it lasts: the generator learns little from that."""
    stretch = _trailing(rows, _discriminator_wins)
    return f"{_scores(rows)} {_since(stretch)}" if _lasts(rows, stretch) else None


def generator_dominance(rows: Sequence[Row]) -> str | None:
    """The discriminator takes every fake for real, and it lasts: it is too weak to teach anything."""
    stretch = _trailing(rows, lambda row: row.get("score_generator", 0) > FOOLED)
    return f"{_scores(rows)} {_since(stretch)}" if _lasts(rows, stretch) else None


def vanishing_gradient(rows: Sequence[Row]) -> str | None:
    """The discriminator wins, and the generator's gradient is gone: it can no longer move."""
    column = "generator/gradient_norm"
    first = [row[column] for row in rows[:FIRST_ROWS] if column in row]
    limit = VANISHED * statistics.median(first) if first else 0.0
    stretch = _trailing(rows, lambda row: _discriminator_wins(row) and row.get(column, math.inf) < limit)
    if not _lasts(rows, stretch):
        return None
    return (
        f"the norm of the generator's gradient is {rows[-1][column]:.2g}, at first it was {limit / VANISHED:.2g}, "
        f"with score_discriminator {rows[-1]['score_discriminator']:.3f}, {_since(stretch)}"
    )


def oscillation(rows: Sequence[Row]) -> str | None:
    """The players take turns at winning, again and again, instead of settling."""
    scores = [row["score_generator"] for row in rows[-SWING_ROWS:] if "score_generator" in row]
    sides = [score > SWING_HIGH for score in scores if not SWING_LOW <= score <= SWING_HIGH]
    swings = sum(before != after for before, after in zip(sides, sides[1:], strict=False))
    if swings < SWINGS:
        return None
    return (
        f"score_generator swung {swings} times between below {SWING_LOW} and above {SWING_HIGH} "
        f"within {len(scores)} rows, last {scores[-1]:.3f}"
    )


def mode_collapse(rows: Sequence[Row]) -> str | None:
    """The samples are nearly all the same, or copies of a few, and it lasts."""
    meanings = {
        "diversity": (COLLAPSED, "of the mean distance between real items lies between two samples"),
        "diversity_nearest": (REPEATED, "of that of real items is the distance from a sample to the nearest other"),
    }
    for column, (limit, meaning) in meanings.items():
        last = [value for _, value in _curve(rows, column, COLLAPSED_PREVIEWS)]
        if len(last) == COLLAPSED_PREVIEWS and max(last) < limit and last[-1] <= GROWTH * last[0]:
            return f"{100 * last[-1]:.2g}% {meaning}, below {100 * limit:g}% in {COLLAPSED_PREVIEWS} previews in a row"
    return None


def divergence(rows: Sequence[Row]) -> str | None:
    """A score that should fall has risen well above its best, and stays there."""
    for column in EVALUATIONS:
        curve = _curve(rows, column)
        last = curve[-RISEN_EVALUATIONS:]
        best = min(curve, key=lambda point: point.value, default=None)
        if best is not None and len(curve) > RISEN_EVALUATIONS and all(p.value > RISE * best.value for p in last):
            return (
                f"{column} is {last[-1].value:.4g}, and above {RISE} times its best, {best.value:.4g} "
                f"at {best.kimg:g} kimg, in the last {RISEN_EVALUATIONS} evaluations"
            )
    return None


def stagnation(rows: Sequence[Row]) -> str | None:
    """A score that should fall has been flat from early on, far from low."""
    for column in EVALUATIONS:
        curve = _curve(rows, column)
        if len(curve) < FLAT_EVALUATIONS:
            continue
        quarter = len(curve) // 4
        early = min(point.value for point in curve[:quarter])
        later = [point.value for point in curve[quarter:]]
        flat = (1 - FLAT_GAIN) * early < min(later) and statistics.median(later) < (1 + FLAT_BAND) * early
        if flat and early > FLAT_LEVEL * curve[0].value:
            return (
                f"{column} was {early:.4g} within {curve[quarter - 1].kimg:g} kimg, "
                f"and the best of {len(later)} evaluations since is {min(later):.4g}"
            )
    return None


class _Point(NamedTuple):
    kimg: float
    value: float


def _curve(rows: Sequence[Row], column: str, last: int | None = None) -> list[_Point]:
    """Return the last points of a column that has one in the newest row, oldest first; None: all of them."""
    points: list[_Point] = []
    if column not in rows[-1]:
        return points
    for row in reversed(rows):
        if column in row:
            points.append(_Point(row["kimg"], row[column]))
        if len(points) == last:
            break
    return points[::-1]


def _discriminator_wins(row: Row) -> bool:
    return row.get("score_generator", 1) < LOST and row.get("score_discriminator", 0) > WON


def _trailing(rows: Sequence[Row], condition: Callable[[Row], bool]) -> Sequence[Row]:
    """Return the newest rows, as many as meet the condition without a gap."""
    count = next((n for n, row in enumerate(reversed(rows)) if not condition(row)), len(rows))
    return rows[len(rows) - count :]


def _lasts(rows: Sequence[Row], stretch: Sequence[Row]) -> bool:
    """Whether the newest rows are enough of them to count."""
    if len(stretch) < LASTING_ROWS:
        return False
    before = rows[-len(stretch) - 1]["kimg"] if len(stretch) < len(rows) else 0.0
    return rows[-1]["kimg"] - before >= LASTING_SHARE * rows[-1]["kimg"]


def _since(stretch: Sequence[Row]) -> str:
    return f"(so since {stretch[0]['kimg']:g} kimg)"


def _scores(rows: Sequence[Row]) -> str:
    columns = ("score_generator", "score_discriminator")
    return ", ".join(f"{column} is {rows[-1][column]:.3f}" for column in columns if column in rows[-1])


DETECTORS: Mapping[str, tuple[Callable[[Sequence[Row]], str | None], str]] = {
    "non_finite": (non_finite, "lower train.lr or use train.precision fp32"),
    "mode_collapse": (
        mode_collapse,
        "lower train.lr, set system.minibatch_std or system.diversity_weight, or use another system, such as wgan_gp",
    ),
    "discriminator_dominance": (
        discriminator_dominance,
        "set train.lr_discriminator below train.lr, system.real_label to 0.9, system.instance_noise to 0.1 "
        "or system.spectral_norm to true",
    ),
    "generator_dominance": (generator_dominance, "set train.lr_discriminator above train.lr, or lower train.lr"),
    "vanishing_gradient": (
        vanishing_gradient,
        "set system.objective to non_saturating or least_squares, or train.lr_discriminator below train.lr",
    ),
    "oscillation": (
        oscillation,
        "lower train.lr, lower the first of train.optimizer.betas, or set system.r1_weight with system.spectral_norm",
    ),
    "divergence": (
        divergence,
        "end at the best with train.kimg, let train.lr_decay_from_kimg end the learning there, or lower train.lr",
    ),
    "stagnation": (stagnation, "change train.lr and train.lr_discriminator, or use another system"),
}
"""By name: how to recognise it, and what to do about it."""
