"""The progress of a long step: tqdm's live bar on a terminal, a plain line now and then in a log file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Never, SupportsFloat

from tqdm import tqdm

from ganpipe.words import one_line

if TYPE_CHECKING:
    from typing import TypeAlias

    Bar: TypeAlias = tqdm[Never]
else:
    Bar = tqdm  # generic for type checkers only


def progress(title: str, total: int | None = None, unit: str = "it", initial: int = 0) -> Progress:
    """Show the progress of a `with` block on stderr: a bar on a terminal, else a plain line every 15 s and at the end.

    `initial` of the `total` units were done before, by an earlier run; rates leave them out. Under torch.distributed
    only rank 0 shows anything.
    """
    return (Progress if _has_width() else _Lines)(title, total, unit, initial)


def say(line: str) -> None:
    """Print a line on stdout, above the bar if one stands."""
    (tqdm.write if _has_width() else print)(one_line(line))
    sys.stdout.flush()


class Progress(Bar):
    """Counts what is done of one long step and draws it as a bar, ten times a second at most."""

    monitor_interval = 0  # no thread that draws: values on a GPU are read by the thread that computes them
    seconds, delay = 0.1, 0.0  # between two drawings; before the first

    def __init__(self, title: str, total: int | None, unit: str, initial: int) -> None:
        self.done = initial  # tqdm counts nothing where it is disabled
        self._values: Mapping[str, SupportsFloat] = {}
        super().__init__(
            desc=one_line(title),
            total=total,
            initial=initial,
            unit=f" {unit}",
            unit_scale=True,
            dynamic_ncols=True,
            miniters=0,
            mininterval=self.seconds,
            delay=self.delay,
            disable=os.environ.get("RANK", "0") != "0",
        )
        self._time = time.monotonic  # tqdm's own clock jumps when the machine's is set
        self.start_t = self.last_print_t = self._time()

    def advance(self, n: int = 1, **values: SupportsFloat) -> None:
        """Count `n` more units; `values` are shown beside, and read (a scalar tensor too) only when shown."""
        self.done += n
        self._values = values
        self.update(n)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar; tqdm calls this when it is due."""
        if self._values:
            self.set_postfix(self._read_values(), refresh=False)
        super().display(msg, pos)

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        """Leave the bar standing with the values last shown: after an error on a GPU no others can be read."""
        self._values = {}
        self.close()

    def _read_values(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._values.items()}


class _Lines(Progress):
    """Plain lines without carriage returns, for log files; nothing in the first seconds, which are often all."""

    seconds = delay = 15.0

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Print how far it is; `msg` is empty when tqdm wants to wipe a bar away."""
        if msg is not None:
            return
        rate, parts = self._rate(), []
        if self.total is not None and rate > 0:
            parts.append(f"{self.format_interval(max(0, self.total - self.n) / rate)} left")
        parts += [f"{name} {value:.4g}" for name, value in self._read_values().items()]
        self._print(", ".join([self._share(), f"{_shown(rate)}{self.unit}/s", *parts]))

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        """Print how long it took, or how far it came; what stands is printed, and no bar is to be left."""
        if not self.disable:
            self._print(self._end(finished=kind is None))
        self.leave = False
        super().__exit__(kind, *rest)

    def _end(self, finished: bool) -> str:
        seconds = self._elapsed()
        took = f"{seconds:.1f} s" if seconds < 60 else self.format_interval(seconds)
        if not finished:
            return f"stopped at {self._share()} after {took}"
        rate = f", {_shown(self._rate())}{self.unit}/s" if seconds >= 1 else ""
        return f"{self.n}{self.unit} in {took}{rate}"

    def _elapsed(self) -> float:
        return self._time() - self.start_t

    def _rate(self) -> float:
        return (self.n - self.initial) / self._elapsed()

    def _share(self) -> str:
        share = f"{100 * self.n // self.total}% {self.n}/{self.total}" if self.total else f"{self.n}"
        return share + self.unit

    def _print(self, text: str) -> None:
        print(f"{self.desc}: {text}", file=sys.stderr, flush=True)


def _shown(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"


def _has_width() -> bool:
    """Return whether stderr is a terminal that knows its width; those of some containers say 0."""
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
