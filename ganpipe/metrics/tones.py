"""Statistics of music in windows of tones: how many sound together, scale, repetitions, span.

Those of C-RNN-GAN (Mogren 2016, arXiv:1611.09904, section 4), each made precise here, and some of single tones.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float, Float64

from ganpipe.core.onsets import onsets
from ganpipe.core.tones import LENGTH, PITCH

STATISTICS = ("polyphony_onset", "polyphony_time", "scale_consistency", "repetitions", "tone_span", "unique_tones")
"""The statistics of a window, in the order of the columns of `statistics`:

* `polyphony_onset`: the share of the moments at which tones begin where two or more begin.
* `polyphony_time`: the share of the time in which something sounds where two or more tones sound.
* `scale_consistency`: the share of tones in the best fitting one of the 12 major scales, which are also the natural
  minor ones.
* `repetitions`: how many times three consecutive pitches are ones that were there before, in the order of the tones.
* `tone_span`: semitones from the lowest to the highest pitch.
* `unique_tones`: the number of different pitches.
"""

Windows = Float[np.ndarray, "n tones 4"]

_MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])
_TOGETHER = 1e-4  # quarters: tones that begin so close to each other begin together


def statistics(windows: Windows) -> Float64[np.ndarray, "n 6"]:
    """Return the `STATISTICS` of every window."""
    return np.array([_of_window(window.astype(np.float64)) for window in windows]).reshape(-1, len(STATISTICS))


def _of_window(window: Float64[np.ndarray, "tones 4"]) -> tuple[float, ...]:
    pitches = np.round(window[:, PITCH]).astype(int)
    begins = onsets(window)
    return (
        _polyphony_onset(begins),
        _polyphony_time(begins, begins + window[:, LENGTH]),
        _scale_consistency(pitches),
        float(_repetitions(pitches)),
        float(np.ptp(pitches)),
        float(len(np.unique(pitches))),
    )


def _polyphony_onset(begins: Float64[np.ndarray, " tones"]) -> float:
    moments = np.cumsum(np.diff(begins, prepend=begins[:1]) > _TOGETHER)
    return float(np.mean(np.unique(moments, return_counts=True)[1] > 1))


def _polyphony_time(begins: Float64[np.ndarray, " tones"], ends: Float64[np.ndarray, " tones"]) -> float:
    times = np.concatenate([begins, ends])
    order = np.argsort(times, kind="stable")
    sounding = np.cumsum(np.repeat([1, -1], len(begins))[order])[:-1]
    lasts = np.diff(times[order])
    some = lasts[sounding > 0].sum()
    return float(lasts[sounding > 1].sum() / some) if some else 0.0


def _scale_consistency(pitches: np.ndarray) -> float:
    classes = np.bincount(pitches % 12, minlength=12)
    return max(int(classes[(_MAJOR + key) % 12].sum()) for key in range(12)) / len(pitches)


def _repetitions(pitches: np.ndarray) -> int:
    triples = Counter(zip(pitches.tolist(), pitches[1:].tolist(), pitches[2:].tolist(), strict=False))
    return sum(count - 1 for count in triples.values())
