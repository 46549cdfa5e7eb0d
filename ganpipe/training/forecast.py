"""A forecast of the duration of a training, printed once after its first seconds."""

from __future__ import annotations

import time

from ganpipe.progress import say
from ganpipe.training import distributed
from ganpipe.training.loop import Trainer

_FORECAST_AFTER = 3.0
"""Seconds of training before the forecast; shorter trainings need no forecast."""
WARM_UP = 2
"""The first iterations are not timed, because they allocate memory and choose kernels."""


class Forecast:
    """Prints once how long the rest of a training will take. It writes to no file."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._iterations = 0
        self._begin = (time.monotonic(), trainer.nimg)
        self._due = distributed.rank() == 0

    def tell_once(self) -> None:
        """Count an iteration. Print the forecast once enough seconds of training have passed."""
        self._iterations += 1
        now, nimg = time.monotonic(), self._trainer.nimg
        if self._iterations == WARM_UP:
            self._begin = (now, nimg)
        seconds = now - self._begin[0]
        if self._due and self._iterations > WARM_UP and seconds >= _FORECAST_AFTER:
            self._due = False
            left = max(0, self._trainer.total_nimg - nimg)
            say(f"Training: {duration(left, (nimg - self._begin[1]) / seconds)}")


def duration(nimg: int, rate: float) -> str:
    """Return the time that `nimg` images take at `rate` images per second, as text."""
    return f"about {_readable_time(nimg / rate)} for {nimg / 1000:g} kimg at {_readable_rate(rate)} img/s"


def _readable_rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"


def _readable_time(seconds: float) -> str:
    """Return a time by its two largest units: `3 min 50 s`, `2 h 5 min`, `12 s`."""
    whole = round(seconds)
    for unit, name, part, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // part} {small}"
    return f"{whole} s"
