"""Scores of music: the statistics of the windows that a generator made, beside those of real ones."""

from __future__ import annotations

import numpy as np

from ganpipe.core.tones import PITCH, holds_tones
from ganpipe.data.packed.file import Packed
from ganpipe.data.packed.splits import held_out
from ganpipe.metrics.outputs import Output
from ganpipe.metrics.tones import STATISTICS, Windows, statistics


def music_scores(packed: Packed, output: Output, seed: int) -> dict[str, float] | None:
    """Return the mean of every statistic of `metrics.tones` over the windows of an output; None for other outputs.

    * `..._real`, `..._real_sd`: mean and standard deviation over held-out windows.
    * `distance_...`: how many of these standard deviations the mean is from the real one. 0 is as real music.
      Absent where the real windows do not differ.
    * `..._shuffled`: the real windows with their pitches in a random order: a statistic that is as real there does not
      hear the melody. `..._random`: with pitches drawn evenly between the lowest and the highest of all.
    """
    field = packed.fields[output.field]
    if not holds_tones(field):
        return None
    real = packed.read_rows(output.field, np.array(held_out(packed, field.space)))
    rng = np.random.Generator(np.random.PCG64(seed))
    controls = {"shuffled": _shuffled(real, rng), "random": _random(real, rng)}
    made, wanted = statistics(output.items), statistics(real)
    means = {name: statistics(windows).mean(axis=0) for name, windows in controls.items()}
    scores = {}
    for place, name in enumerate(STATISTICS):
        mean, spread = float(wanted[:, place].mean()), float(wanted[:, place].std())
        value = float(made[:, place].mean())
        scores[name] = value
        scores[f"{name}_real"], scores[f"{name}_real_sd"] = mean, spread
        if spread:
            scores[f"distance_{name}"] = abs(value - mean) / spread
        scores |= {f"{name}_{control}": float(found[place]) for control, found in means.items()}
    return scores


def _shuffled(windows: Windows, rng: np.random.Generator) -> Windows:
    found = windows.copy()
    found[..., PITCH] = rng.permuted(windows[..., PITCH], axis=1)
    return found


def _random(windows: Windows, rng: np.random.Generator) -> Windows:
    found, pitches = windows.copy(), windows[..., PITCH]
    found[..., PITCH] = rng.integers(int(pitches.min()), int(pitches.max()), pitches.shape, endpoint=True)
    return found
