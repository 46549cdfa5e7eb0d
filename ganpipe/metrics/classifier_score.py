"""Classifier score: the inception score (Salimans et al. 2016, arXiv:1606.03498) with the classes of any classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ganpipe.errors import MetricError

SPLITS = 10
SPLIT_FROM = 5000


class ClassifierScore(NamedTuple):
    """Mean and population standard deviation over the splits; `std` is None for a single split."""

    mean: float
    std: float | None


def default_splits(n: int) -> int:
    """Return the number of splits for `n` samples: the customary 10 where each still holds 500 of them, else 1."""
    return SPLITS if n >= SPLIT_FROM else 1


def classifier_score(probabilities: Float[np.ndarray, "n classes"], splits: int) -> ClassifierScore:
    """Return exp(E_x KL(p(y|x) || p(y))), between 1 and the number of classes, over consecutive splits, in float64.

    The samples must be in random order if there is more than one split. Logarithms are clipped at 1e-300: a class
    with probability 0 contributes 0, where 0 * log 0 would be NaN.
    Raises `MetricError` for rows that are not distributions and for fewer samples than splits.
    """
    _check(probabilities, splits)
    scores = [_score(part) for part in np.array_split(probabilities.astype(np.float64), splits)]
    return ClassifierScore(float(np.mean(scores)), float(np.std(scores)) if splits > 1 else None)


def _score(probabilities: Float[np.ndarray, "n classes"]) -> float:
    divergence = probabilities * (_log(probabilities) - _log(probabilities.mean(axis=0)))
    return float(np.exp(divergence.sum(axis=1).mean()))


def _log(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return np.log(values.clip(min=1e-300))


def _check(probabilities: Float[np.ndarray, "n classes"], splits: int) -> None:
    n = len(probabilities)
    if probabilities.ndim != 2 or probabilities.size == 0:
        raise MetricError(f"class probabilities have shape {probabilities.shape}, expected (N, classes), N at least 1")
    if not 1 <= splits <= n:
        raise MetricError(f"{n} samples cannot be split into {splits} parts, only into 1 to {n}")
    distributions = (probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) < 1e-3)
    if not distributions.all():
        bad = n - int(distributions.sum())
        raise MetricError(f"{bad} of {n} rows of class probabilities are not finite, not >= 0 or do not sum to 1")
