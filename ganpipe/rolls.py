"""Piano rolls: windows of tones as pictures, time to the right and pitch up."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from ganpipe.core.onsets import onsets
from ganpipe.core.spec import Field
from ganpipe.core.tones import INTENSITY, LENGTH, PITCH, holds_tones

LOWEST, HIGHEST = 21, 108
"""The keys of a piano, in numbers of MIDI. Tones beyond are drawn on the outermost one."""
QUARTERS = 24
"""Quarters that a roll shows. What comes later is not drawn."""
COLUMNS, ROWS = 8, 2
"""Pixels of a quarter, and of a key."""

_LOUDEST = 127  # intensity that is drawn white


def drawable(items: Shaped[np.ndarray, "n ..."], field: Field) -> Shaped[np.ndarray, "n ..."]:
    """Return what a picture shows of items of a field in stored form: rolls of tones, everything else as it is."""
    return piano_rolls(items) if holds_tones(field) else items


def piano_rolls(windows: Float[np.ndarray, "n tones 4"]) -> UInt8[np.ndarray, "n h w 1"]:
    """Draw one picture for each window: the louder a tone, the brighter.

    Raises `ValueError` for numbers that are not finite.
    """
    if not np.isfinite(windows).all():
        raise ValueError("a piano roll of numbers that are not finite")
    rolls = np.zeros((len(windows), ROWS * (HIGHEST - LOWEST + 1), QUARTERS * COLUMNS, 1), np.uint8)
    for roll, window in zip(rolls, windows.astype(np.float64), strict=True):
        for begin, tone in zip(onsets(window), window, strict=True):
            top = ROWS * (HIGHEST - int(np.clip(round(tone[PITCH]), LOWEST, HIGHEST)))
            first = round(begin * COLUMNS)
            last = max(first + 1, round((begin + tone[LENGTH]) * COLUMNS))
            bright = round(255 * np.clip(tone[INTENSITY], 0, _LOUDEST) / _LOUDEST)
            place = roll[top : top + ROWS, max(0, first) : last]
            np.maximum(place, bright, out=place)
    return rolls
