"""The courier between a running stage and the tracking store: a thread, so that tracking never slows training.

The stage only puts things into the outbox. The thread empties it about once a second; when the store does not answer,
everything stays in the outbox and the pause before the next try doubles (a circuit breaker). Whatever goes wrong in
here is told to the user in one line at the end and never raised into the stage.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

from ganpipe.errors import GanpipeError
from ganpipe.tracking.entries import Note, Point

FLUSH_SECONDS = 1.0  # between two deliveries
FIRST_PAUSE_SECONDS = 5.0  # after a failed delivery; doubles with each further one ...
LONGEST_PAUSE_SECONDS = 300.0  # ... up to this
OPEN_SECONDS = 30.0  # how long the start of a stage waits for the first try
FINISH_SECONDS = 60.0  # how long its end waits for the last one
KILLED_SECONDS = 5.0  # the same for a stage that was told to stop: its patience is short
LONGEST_BATCH = 1000  # points, MLflow's limit


@runtime_checkable
class Recipient(Protocol):
    """Who the courier delivers to. Any method may raise whatever it likes; what has been taken is not offered again."""

    def open(self) -> None:
        """Find or make the row; does nothing the second time."""

    def send_points(self, points: Sequence[Point]) -> None:
        """Take metrics."""

    def send(self, note: Note) -> None:
        """Take anything else."""

    def publish(self, stage: str) -> None:
        """Complete the row from the files of a finished stage."""

    def close(self, status: str) -> None:
        """Let go of the row with its final status."""


class Courier:
    """Delivers points and notes to a recipient, each kind in the order it was put, from a thread of its own."""

    def __init__(self, recipient: Recipient) -> None:
        self._recipient = recipient
        self._points: deque[Point] = deque()
        self._notes: deque[Note] = deque()
        self._conclusion: Callable[[], None] = lambda: None
        self._deadline = 0.0
        self._refused: list[str] = []
        self._problem = ""  # why the last delivery failed, empty if it did not
        self._pause = 0.0
        self._opened, self._closing = threading.Event(), threading.Event()
        # A daemon: a call that hangs in a dead network must not keep the stage from ending.
        self._thread = threading.Thread(target=self._run, name="ganpipe-tracking", daemon=True)

    def start(self) -> None:
        """Start, and wait until the row is open or the first try has failed.

        The wait keeps the imports behind MLflow, and the line about a new store, out of the running stage.
        """
        self._thread.start()
        self._opened.wait(OPEN_SECONDS)

    def put_points(self, points: Sequence[Point]) -> None:
        """Put metrics into the outbox; returns at once."""
        self._points.extend(points)

    def put(self, note: Note) -> None:
        """Put anything else into the outbox; returns at once."""
        self._notes.append(note)

    def finish(self, status: str, publish: str | None, seconds: float) -> str | None:
        """Deliver the rest, publish the stage if one is named, close the row, all within `seconds`.

        Returns None if that succeeded, otherwise in one line what went wrong.
        """
        self._conclusion = lambda: self._conclude(status, publish)
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._thread.join(seconds)
        if self._thread.is_alive() or self._problem:
            return f"unreachable ({self._problem or 'no answer'})"
        return f"refused {len(self._refused)} entries ({self._refused[0]})" if self._refused else None

    def _run(self) -> None:
        self._attempt(self._deliver)
        self._opened.set()
        while not self._closing.wait(self._pause or FLUSH_SECONDS):
            self._attempt(self._deliver)
        while not self._attempt(self._conclusion) and time.monotonic() + FIRST_PAUSE_SECONDS < self._deadline:
            time.sleep(FIRST_PAUSE_SECONDS)

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Act; on failure remember why and lengthen the pause. Catches everything: see the top of the file."""
        try:
            action()
        except Exception as error:
            self._problem = first_line(error)
            self._pause = min(2 * self._pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            return False
        self._problem, self._pause = "", 0.0
        return True

    def _deliver(self) -> None:
        """Hand over all that is in the outbox; what has not been taken stays in it."""
        self._recipient.open()
        while self._points:
            batch = list(islice(self._points, LONGEST_BATCH))
            self._hand_over(lambda batch=batch: self._recipient.send_points(batch))  # type: ignore[misc]
            for _ in batch:
                self._points.popleft()
        while self._notes:
            self._hand_over(lambda: self._recipient.send(self._notes[0]))
            self._notes.popleft()

    def _conclude(self, status: str, publish: str | None) -> None:
        self._deliver()
        if publish is not None:
            self._hand_over(lambda: self._recipient.publish(publish))
        self._hand_over(lambda: self._recipient.close(status))

    def _hand_over(self, action: Callable[[], None]) -> None:
        """Act; what the store refuses for good is noted and not tried again, as it would block all that follows."""
        try:
            action()
        except Exception as error:
            if not is_refusal(error):
                raise
            self._refused.append(first_line(error))


def is_refusal(error: Exception) -> bool:
    """Whether the store understood and said no, so that trying again is useless, rather than being out of reach."""
    status = getattr(error, "get_http_status_code", lambda: None)()  # what every MlflowException has
    if status is not None:
        return 400 <= status < 500 and status not in (401, 403, 408, 429)  # log-in, timeout, too busy: may pass
    if isinstance(error, OSError):
        return isinstance(error, FileNotFoundError)
    return isinstance(error, ValueError | TypeError | GanpipeError)


def first_line(error: Exception) -> str:
    """Return what went wrong in one short line."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else text[:157] + "..."
