"""Signs of a failing training, found in its history: what failed, when, the numbers that show it, what to do.

A detector is given the rows of a history, oldest first, and says whether the newest row completes its evidence. The
findings of a history are thus a function of its rows alone: a resumed training neither repeats nor loses a finding, and
a finding stays when later rows look better.

A row without the columns of a detector is evidence of nothing: the detector skips it, and is silent where it is the
newest. A Wasserstein critic has no scores; a discriminator may join when a generator has been trained alone, and then
its game begins with the first row that has its score.

The thresholds were set between two kinds of real runs: the healthy recipes on digits, Fashion-MNIST and 1010, and the
GAN of Rashid's book that draws one image for every seed. The hardest healthy run is `digits-mlp`: its discriminator
wins by 0.97 to 0.03 from 28 to 54 kimg and loses the lead again. Therefore a state counts only if it lasts, measured
in images shown: how often a training writes rows, previews and evaluations decides how soon a sign is seen, not whether
it is one.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ganpipe.history.table import Row

LOST = 0.05
"""A player whose score is below this has lost. The score of a balanced player is 0.5; healthy ones stay above 0.1."""
WON = 0.95
"""A discriminator whose score is above this has won. Healthy ones stay below 0.9."""
FOOLED = 0.9
"""A generator whose score is above this fools the discriminator nearly every time. Healthy ones stay below 0.6."""
LASTING_KIMG = 10.0
"""A state must have held for at least this many thousand images to count as lasting ..."""
LASTING_ROWS = 5
"""... in at least this number of the newest rows."""
LASTING_SHARE = 0.6
"""A state must have held for this share of the time since its scores began. `digits-mlp` recovers from 0.45."""

COLLAPSED = 0.25
"""A `diversity` below this means that all samples are nearly one image. Healthy runs exceed 0.4 after 10 kimg."""
REPEATED = 0.03
"""A `diversity_nearest` below this means that the samples are copies of a few. `digits-mlp` comes down to 0.05."""
COLLAPSED_KIMG = 10.0
"""The diversity must be low in all previews of this many thousand images ..."""
COLLAPSED_PREVIEWS = 3
"""... and in this number of previews at least."""
GROWTH = 1.25
"""A diversity that grows by more than this factor between the first and the last third of these previews belongs to a
young generator, not to a collapse."""

SWING_LOW = 0.2
"""A generator score below this is the low end of a swing. Healthy scores lie between 0.01 and 0.6."""
SWING_HIGH = 0.8
"""A generator score above this is the high end of a swing."""
SWINGS = 6
"""An oscillating game changes between both ends at least this number of times ..."""
SWING_ROWS = 60
"""... within this number of the newest rows that have the score, or as many thousand images, whichever is more.
Rows of the same thousand images count as one, their mean."""

VANISHED = 0.01
"""A generator gradient below this share of its first norm has vanished."""
FIRST_KIMG = 5.0
"""The first norm of the generator's gradient is the median over the rows of this many thousand images."""

EVALUATIONS = ("fd", "fid")
"""The columns with a score that falls in a healthy training."""
RISE = 1.5
"""A score above this multiple of its best value has risen. Published failures rise to 2.8 to 5 times the best."""
RISEN_EVALUATIONS = 3
"""A score must have risen in this number of successive evaluations to count as diverged ..."""
RISEN_SHARE = 0.05
"""... and in all evaluations of this share of the images shown."""
FLAT_EVALUATIONS = 10
"""A curve with fewer evaluations than this is not called flat ..."""
FLAT_KIMG = 40.0
"""... nor one over fewer thousand images."""
FLAT_GAIN = 0.05
"""A curve is flat if the best of its later three quarters is at most this share below the best of its first quarter."""
FLAT_BAND = 0.1
"""A curve whose later median lies more than this share above the best of its first quarter is rising, not flat."""
FLAT_LEVEL = 0.5
"""A flat curve is fine if its first quarter came below this share of its first value."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One sign of a failing training."""

    name: str  # of the detector
    kimg: float  # of the row that completed the evidence
    evidence: str  # a sentence with the numbers
    remedy: str  # what to change, with keys of params.yaml

    def __str__(self) -> str:
        return f"{self.name} at {self.kimg:g} kimg: {self.evidence}; {self.remedy}"


def diagnose(rows: Sequence[Row]) -> list[Finding]:
    """Return all findings of a history, each name once, oldest first."""
    found: list[Finding] = []
    seen: list[Row] = []
    for row in rows:
        seen.append(row)
        found += news(seen, {finding.name for finding in found})
    return found


def news(rows: Sequence[Row], known: Collection[str]) -> list[Finding]:
    """Return the findings that the newest row completes; names in `known` are not looked for again."""
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
    """A value is NaN or infinite. The loop stops such a training before it closes a row; other tables may have one."""
    bad = next((name for name, value in rows[-1].items() if not math.isfinite(value)), None)
    return None if bad is None else f"{bad} is {rows[-1][bad]}"


def discriminator_dominance(rows: Sequence[Row]) -> str | None:
    """The discriminator tells real from fake without fail, and it lasts: the generator learns little from that."""
    since = _lasting_since(rows, _SCORES, _discriminator_wins)
    return None if since is None else f"{_scores(rows)} (so since {since:g} kimg)"


def generator_dominance(rows: Sequence[Row]) -> str | None:
    """The discriminator takes nearly every fake for real, and it lasts: it is too weak to teach anything."""
    since = _lasting_since(rows, _SCORES[:1], lambda row: row["score_generator"] > FOOLED)
    return None if since is None else f"{_scores(rows)} (so since {since:g} kimg)"


def vanishing_gradient(rows: Sequence[Row]) -> str | None:
    """The discriminator wins, and the generator's gradient is gone: it can no longer move.

    The first norm is that of the first rows with scores: a gradient of training without a discriminator says nothing.
    """
    column = "generator/gradient_norm"
    needed = (*_SCORES, column)
    played = (index for index, row in enumerate(rows) if row.keys() >= set(needed))
    norm = _first_norm(rows, next(played, None), column)
    since = _lasting_since(rows, needed, lambda row: _discriminator_wins(row) and row[column] < VANISHED * norm)
    if since is None:
        return None
    return (
        f"the norm of the generator's gradient is {rows[-1][column]:.2g}, at first it was {norm:.2g}, "
        f"with score_discriminator {rows[-1]['score_discriminator']:.3f}, (so since {since:g} kimg)"
    )


def oscillation(rows: Sequence[Row]) -> str | None:
    """The players take turns at winning, again and again, instead of settling."""
    scores = _means_per_kimg(_curve(rows, "score_generator", SWING_ROWS, float(SWING_ROWS)))
    sides = [score > SWING_HIGH for score in scores if not SWING_LOW <= score <= SWING_HIGH]
    swings = sum(before != after for before, after in zip(sides, sides[1:], strict=False))
    if swings < SWINGS:
        return None
    return (
        f"score_generator swung {swings} times between below {SWING_LOW} and above {SWING_HIGH} "
        f"within {len(scores)} intervals, last {scores[-1]:.3f}"
    )


def mode_collapse(rows: Sequence[Row]) -> str | None:
    """The samples are nearly all the same, or copies of a few, and it lasts."""
    meanings = {
        "diversity": (COLLAPSED, "of the mean distance between real items lies between two samples"),
        "diversity_nearest": (REPEATED, "of that of real items is the distance from a sample to the nearest other"),
    }
    for column, (limit, meaning) in meanings.items():
        curve = _curve(rows, column, COLLAPSED_PREVIEWS, COLLAPSED_KIMG)
        last = [point.value for point in curve]
        seen = len(curve) >= COLLAPSED_PREVIEWS and curve[-1].kimg - curve[0].kimg >= COLLAPSED_KIMG
        if seen and max(last) < limit and not _grows(last):
            return f"{100 * last[-1]:.2g}% {meaning}, below {100 * limit:g}% in {len(last)} previews in a row"
    return None


def divergence(rows: Sequence[Row]) -> str | None:
    """A score that should fall has risen well above its best, and stays there."""
    for column in EVALUATIONS:
        curve = _curve(rows, column)
        last = _curve(rows, column, RISEN_EVALUATIONS, RISEN_SHARE * rows[-1]["kimg"])
        best = min(curve, key=lambda point: point.value, default=None)
        if best is not None and len(curve) > RISEN_EVALUATIONS and all(p.value > RISE * best.value for p in last):
            return (
                f"{column} is {last[-1].value:.4g}, and above {RISE} times its best, {best.value:.4g} "
                f"at {best.kimg:g} kimg, in the last {len(last)} evaluations"
            )
    return None


def stagnation(rows: Sequence[Row]) -> str | None:
    """A score that should fall has been flat from early on, far from low."""
    for column in EVALUATIONS:
        curve = _curve(rows, column)
        if len(curve) < FLAT_EVALUATIONS or curve[-1].kimg - curve[0].kimg < FLAT_KIMG:
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


def _curve(rows: Sequence[Row], column: str, last: int | None = None, kimg: float = 0.0) -> list[_Point]:
    """Return the newest points of a column, oldest first: `last`, or all of the last `kimg` where they are more.

    `last` None: all points of the history. Empty if the newest row lacks the column.
    """
    points: list[_Point] = []
    if column not in rows[-1]:
        return points
    for row in reversed(rows):
        if column in row:
            points.append(_Point(row["kimg"], row[column]))
        if last is not None and len(points) >= last and rows[-1]["kimg"] - points[-1].kimg >= kimg:
            break
    return points[::-1]


def _means_per_kimg(points: Sequence[_Point]) -> list[float]:
    """Return the mean over each thousand images that has a point."""
    groups = itertools.groupby(points, key=lambda point: math.ceil(point.kimg))
    return [statistics.fmean(point.value for point in group) for _, group in groups]


def _grows(values: Sequence[float]) -> bool:
    """Whether the mean of the last third exceeds that of the first third by more than `GROWTH`."""
    third = len(values) // 3
    return statistics.fmean(values[-third:]) > GROWTH * statistics.fmean(values[:third])


def _first_norm(rows: Sequence[Row], first: int | None, column: str) -> float:
    """Return the median of a column over the first images of a game that begins with the row number `first`."""
    if first is None:
        return 0.0
    end = _interval_start(rows, first) + FIRST_KIMG
    early = itertools.takewhile(
        lambda row: row is rows[first] or row["kimg"] <= end, itertools.islice(rows, first, None)
    )
    return statistics.median(row[column] for row in early if column in row)


_SCORES = ("score_generator", "score_discriminator")


def _discriminator_wins(row: Row) -> bool:
    return row["score_generator"] < LOST and row["score_discriminator"] > WON


def _lasting_since(rows: Sequence[Row], columns: Sequence[str], condition: Callable[[Row], bool]) -> float | None:
    """Return the kimg since which a condition has held in every row that has the columns.

    None where the newest row lacks a column or does not meet the condition, and where it has not held for long: in
    `LASTING_ROWS` rows, for `LASTING_KIMG` and for `LASTING_SHARE` of the time since the columns began.
    """
    needed = set(columns)
    if not rows[-1].keys() >= needed:
        return None
    newest_first = (i for i in reversed(range(len(rows))) if rows[i].keys() >= needed)
    held = list(itertools.takewhile(lambda i: condition(rows[i]), newest_first))
    if len(held) < LASTING_ROWS:
        return None
    first = next(i for i, row in enumerate(rows) if row.keys() >= needed)
    held_for, lasted = (rows[-1]["kimg"] - _interval_start(rows, i) for i in (held[-1], first))
    return rows[held[-1]]["kimg"] if held_for >= max(LASTING_KIMG, LASTING_SHARE * lasted) else None


def _interval_start(rows: Sequence[Row], index: int) -> float:
    """Return the kimg at which the log interval of a row began."""
    return rows[index - 1]["kimg"] if index else 0.0


def _scores(rows: Sequence[Row]) -> str:
    return ", ".join(f"{column} is {rows[-1][column]:.3f}" for column in _SCORES if column in rows[-1])


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
"""By the name of a finding: the detector that returns its evidence, and the remedy."""
