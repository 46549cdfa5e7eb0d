"""A thread that sends points and entries from a running stage to the store, so that tracking never slows training.

The stage only appends to a queue. The thread empties it about once a second. When the store does not answer,
everything stays in the queue and the pause before the next try doubles (a circuit breaker). No error of the store is
raised into the stage; the last one is returned as one line when the stage ends.

A store that is busy is not a store that is away: as long as it answers, or is only waiting for its turn, the end of the
stage waits for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

from filelock import Timeout

from ganpipe.errors import GanpipeError
from ganpipe.tracking.entries import LONGEST_BATCH, Entry, Point

FLUSH_SECONDS = 1.0  # between two deliveries
FIRST_PAUSE_SECONDS = 5.0  # after the first failed delivery; doubles with each further failure
LONGEST_PAUSE_SECONDS = 300.0  # limit of the doubling
OPEN_SECONDS = 30.0  # longest wait for the first delivery, when a stage starts
FINISH_SECONDS = 60.0  # when a stage ends: how long failing deliveries are repeated, and an answer is awaited
BUSY_SECONDS = 600.0  # the same for a store on this machine that is busy: it answers in the end
KILLED_SECONDS = 5.0  # longest wait in all for the last delivery of a stage that was killed
_LOOK_SECONDS = 0.1  # between two looks at whether the store still answers


@runtime_checkable
class Sink(Protocol):
    """The receiver of points and entries. Any method may raise anything; a call that returned is not repeated."""

    @property
    def answered(self) -> int:
        """How many calls the store has answered so far."""

    def open(self) -> None:
        """Find or make the run; does nothing the second time."""

    def send_points(self, points: Sequence[Point]) -> None:
        """Take metrics."""

    def send(self, entry: Entry) -> None:
        """Take anything else."""

    def publish(self, stage: str) -> None:
        """Complete the run from the files of a finished stage."""

    def close(self, status: str) -> None:
        """Set the final status of the run and release it."""


class BackgroundSender:
    """Delivers points and entries to a sink from a thread of its own, each kind in the order in which it was put."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._points: deque[Point] = deque()
        self._entries: deque[Entry] = deque()
        self._conclusion: Callable[[], None] = lambda: None
        self._quiet = self._total = 0.0  # seconds to wait at the end
        self._refused: list[str] = []
        self._problem = ""  # why the last delivery failed, empty if it did not
        self._busy = False  # whether it failed because others kept the store busy
        self._pause = 0.0
        self._opened, self._closing = threading.Event(), threading.Event()
        # A daemon: a call that hangs in a dead network must not keep the stage from ending.
        self._thread = threading.Thread(target=self._run, name="ganpipe-tracking", daemon=True)

    def start(self) -> None:
        """Start, and wait until the run is open or the first try has failed.

        So MLflow is imported, and the line about a new store printed, before the work of the stage begins.
        """
        self._thread.start()
        self._opened.wait(OPEN_SECONDS)

    def put_points(self, points: Sequence[Point]) -> None:
        """Queue metrics; returns at once."""
        self._points.extend(points)

    def put(self, entry: Entry) -> None:
        """Queue anything else; returns at once."""
        self._entries.append(entry)

    def finish(self, status: str, publish: str | None, quiet: float, total: float = math.inf) -> str | None:
        """Deliver the rest, publish the stage if one is named, and close the run.

        Gives up once the store has answered nothing for `quiet` seconds, or after `total` seconds. Deliveries that fail
        are repeated for `FINISH_SECONDS` at most, those that meet a busy store for `quiet`. Returns None if all
        succeeded, otherwise one line that says what went wrong.
        """
        self._conclusion = lambda: self._conclude(status, publish)
        self._quiet, self._total = quiet, total
        self._closing.set()
        if not self._ends_in_time() or self._problem:
            return f"{'busy' if self._busy else 'unreachable'} ({self._problem or 'no answer'})"
        return f"refused {len(self._refused)} entries ({self._refused[0]})" if self._refused else None

    def _ends_in_time(self) -> bool:
        """Wait for the thread to end, as long as the store answers; return whether it has."""
        begun = heard = time.monotonic()
        answered = self._sink.answered
        while self._thread.is_alive():
            self._thread.join(_LOOK_SECONDS)
            now = time.monotonic()
            if self._sink.answered != answered:
                answered, heard = self._sink.answered, now
            if now - heard > self._quiet or now - begun > self._total:
                return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        self._attempt(self._deliver)
        self._opened.set()
        while not self._closing.wait(self._pause or FLUSH_SECONDS):
            self._attempt(self._deliver)
        begun = time.monotonic()
        while not self._attempt(self._conclusion):
            patience = self._quiet if self._busy else min(self._quiet, FINISH_SECONDS)
            if time.monotonic() + FIRST_PAUSE_SECONDS > begun + min(patience, self._total):
                return
            time.sleep(FIRST_PAUSE_SECONDS)

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Call `action`; on failure, whatever it is, remember the reason and double the pause."""
        try:
            action()
        except Exception as error:
            self._problem, self._busy = first_line(error), is_busy(error)
            self._pause = min(2 * self._pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            return False
        self._problem, self._busy, self._pause = "", False, 0.0
        return True

    def _deliver(self) -> None:
        """Send the whole queue. Points and entries leave it after the sink took them."""
        self._sink.open()
        while self._points:
            batch = list(islice(self._points, LONGEST_BATCH))
            self._hand_over(lambda batch=batch: self._sink.send_points(batch))  # type: ignore[misc]
            for _ in batch:
                self._points.popleft()
        while self._entries:
            self._hand_over(lambda: self._sink.send(self._entries[0]))
            self._entries.popleft()

    def _conclude(self, status: str, publish: str | None) -> None:
        self._deliver()
        if publish is not None:
            self._hand_over(lambda: self._sink.publish(publish))
        self._hand_over(lambda: self._sink.close(status))

    def _hand_over(self, action: Callable[[], None]) -> None:
        """Call `action`. A refusal is remembered and not tried again: it would block the rest of the queue."""
        try:
            action()
        except Exception as error:
            if not is_refusal(error):
                raise
            self._refused.append(first_line(error))


def is_refusal(error: Exception) -> bool:
    """Whether the store answered that it will not take this, so that a second try is useless. False for an outage."""
    status = getattr(error, "get_http_status_code", lambda: None)()  # what every MlflowException has
    if status is not None:
        return 400 <= status < 500 and status not in (401, 403, 408, 429)  # log-in, timeout, too busy: may pass
    if isinstance(error, OSError):
        return isinstance(error, FileNotFoundError)
    return isinstance(error, ValueError | TypeError | GanpipeError)


def is_busy(error: Exception) -> bool:
    """Whether the store was busy with other processes: it waits for its turn, and a later try will do."""
    return isinstance(error, Timeout) or "database is locked" in str(error)


def first_line(error: Exception) -> str:
    """Return the message of an error as one short line."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."
