"""How samples spread over classes, as a classifier assigns them, and how many are of the class chosen for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, Int

from ganpipe.errors import MetricError


def class_shares(labels: Int[np.ndarray, " n"], n_classes: int) -> Float64[np.ndarray, " classes"]:
    """Return the share of each class, summing to 1. Raises `MetricError` without labels and for one out of range."""
    if labels.ndim != 1 or len(labels) == 0:
        raise MetricError(f"labels have shape {labels.shape}, expected (N,) with at least one")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise MetricError(f"labels lie in {labels.min()}..{labels.max()}, expected 0..{n_classes - 1}")
    return np.bincount(labels, minlength=n_classes) / len(labels)


def classes_covered(real_shares: Float[np.ndarray, " classes"], fake_shares: Float[np.ndarray, " classes"]) -> int:
    """Count the classes with at least a tenth of their real share among the fakes; classes without reals do not count.

    Raises `MetricError` if the two disagree about the number of classes.
    """
    _check_equal_length(real_shares, fake_shares)
    a_tenth = real_shares / 10 - 1e-12  # shares are quotients of counts: exactly a tenth must survive rounding
    return int(np.sum((real_shares > 0) & (fake_shares >= a_tenth)))


def total_variation(real_shares: Float[np.ndarray, " classes"], fake_shares: Float[np.ndarray, " classes"]) -> float:
    """Return half the absolute difference of two distributions: the share, in [0, 1], that would have to change class.

    Raises `MetricError` if the two disagree about the number of classes.
    """
    _check_equal_length(real_shares, fake_shares)
    return float(np.abs(real_shares - fake_shares).sum() / 2)


def conditional_accuracy(asked: Int[np.ndarray, " n"], found: Int[np.ndarray, " n"]) -> float:
    """Return the share of samples for which the classifier `found` the class that was `asked` for.

    Raises `MetricError` without samples, and where the two disagree about their number.
    """
    if asked.shape != found.shape or not len(asked):
        raise MetricError(
            f"asked for classes of shape {asked.shape}, found {found.shape}; expected the same, at least one"
        )
    return float((asked == found).mean())


def conditional_accuracies(
    asked: Int[np.ndarray, " n"], found: Int[np.ndarray, " n"], classes: Sequence[str]
) -> dict[str, float]:
    """Return `conditional_accuracy` by the name of the class; a class that was never asked for is left out."""
    return {
        name: conditional_accuracy(asked[asked == label], found[asked == label])
        for label, name in enumerate(classes)
        if (asked == label).any()
    }


def _check_equal_length(real_shares: Float[np.ndarray, " n"], fake_shares: Float[np.ndarray, " m"]) -> None:
    if real_shares.shape != fake_shares.shape:
        raise MetricError(f"real class shares have shape {real_shares.shape}, fake ones {fake_shares.shape}")
