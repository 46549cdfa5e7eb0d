"""One progress bar for every long step: a live bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Never, SupportsFloat

from tqdm import tqdm

BAR_SECONDS = 0.1
LINE_SECONDS = 15.0


class Progress:
    """Counts what is done of one long step and shows it, at most once per `display.seconds`."""

    def __init__(self, display: Bar | Lines | None, initial: int = 0) -> None:
        self.done = initial
        self._display = display
        self._due = 0.0

    def advance(self, n: int = 1, **values: SupportsFloat) -> None:
        """Count `n` more units; `values` are shown beside, and read (a scalar tensor too) only when shown."""
        self.done += n
        if self._display is None or time.monotonic() < self._due:
            return
        self._display.show(self.done, {name: float(value) for name, value in values.items()})
        self._due = time.monotonic() + self._display.seconds

    def close(self, finished: bool = True) -> None:
        """Show the end of the step."""
        if self._display is not None:
            self._display.close(self.done, finished)


@contextmanager
def progress(title: str, total: int | None = None, unit: str = "it", initial: int = 0) -> Iterator[Progress]:
    """Show the progress of the block on stderr: a bar on a terminal, else one plain line every 15 s and one at the end.

    `initial` of the `total` units were done before, by an earlier run; rates leave them out. Under
    torch.distributed only rank 0 shows anything.
    """
    bar = Progress(_display(title, total, unit, initial), initial)
    try:
        yield bar
    except BaseException:
        bar.close(finished=False)
        raise
    bar.close()


def say(line: str) -> None:
    """Print a line on stdout, above the bar if one stands."""
    tqdm.write(line)
    sys.stdout.flush()


def _display(title: str, total: int | None, unit: str, initial: int) -> Bar | Lines | None:
    if os.environ.get("RANK", "0") != "0":
        return None
    return (Bar if _has_width() else Lines)(title, total, unit, initial)


def _has_width() -> bool:
    """Return whether stderr is a terminal that knows its width; those of some containers say 0."""
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0


class Bar:
    """A live bar with rate and time left."""

    seconds = BAR_SECONDS

    def __init__(self, title: str, total: int | None, unit: str, initial: int) -> None:
        self._tqdm: tqdm[Never] = tqdm(
            desc=title,
            total=total,
            unit=f" {unit}",
            unit_scale=True,
            initial=initial,
            mininterval=0,  # `Progress` decides when to draw
            dynamic_ncols=True,
        )

    def show(self, done: int, values: Mapping[str, float]) -> None:
        """Redraw the bar."""
        self._tqdm.set_postfix(values, refresh=False)
        self._tqdm.update(done - self._tqdm.n)

    def close(self, done: int, finished: bool) -> None:
        """Redraw the bar a last time and leave it standing."""
        self._tqdm.update(done - self._tqdm.n)
        self._tqdm.close()


class Lines:
    """Plain lines without carriage returns, for log files."""

    seconds = LINE_SECONDS

    def __init__(self, title: str, total: int | None, unit: str, initial: int) -> None:
        self._title, self._total, self._unit, self._initial = title, total, unit, initial
        self._start = time.monotonic()

    def show(self, done: int, values: Mapping[str, float]) -> None:
        """Print how far it is; nothing in the first seconds, which for a short step are all."""
        elapsed = time.monotonic() - self._start
        if elapsed < self.seconds:
            return
        rate = (done - self._initial) / elapsed
        parts = [f"{self._share(done)}, {_rate(rate)} {self._unit}/s"]
        if self._total is not None and rate > 0:
            parts.append(f"{tqdm.format_interval(max(0, self._total - done) / rate)} left")
        parts += [f"{name} {value:.4g}" for name, value in values.items()]
        self._print(", ".join(parts))

    def close(self, done: int, finished: bool) -> None:
        """Print the total time."""
        elapsed = time.monotonic() - self._start
        took = f"{elapsed:.1f} s" if elapsed < 60 else tqdm.format_interval(elapsed)
        if not finished:
            self._print(f"stopped at {self._share(done)} after {took}")
            return
        rate = f", {_rate((done - self._initial) / elapsed)} {self._unit}/s" if elapsed >= 1 else ""
        self._print(f"{done} {self._unit} in {took}{rate}")

    def _share(self, done: int) -> str:
        if not self._total:
            return f"{done} {self._unit}"
        return f"{100 * done // self._total}% {done}/{self._total} {self._unit}"

    def _print(self, text: str) -> None:
        print(f"{self._title}: {text}", file=sys.stderr, flush=True)


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
