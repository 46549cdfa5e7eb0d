"""When the tones of a window begin. Apart from `core.tones`, which is read where numpy is not imported."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from ganpipe.core.tones import WAIT


def onsets(window: Float64[np.ndarray, "tones 4"]) -> Float64[np.ndarray, " tones"]:
    """Return when each tone of a window begins, in quarter notes from the first one."""
    return np.concatenate([[0.0], np.cumsum(window[1:, WAIT])])
