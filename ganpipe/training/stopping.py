"""Ending a training early without losing a step: at SIGTERM or Ctrl-C the step ends and the state is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ganpipe.progress import say

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Take the first signal. From then on SIGTERM is ignored and Ctrl-C acts at once.

        Ignored, because `dvc` and `torchrun` send it after a Ctrl-C that reached this process, too.
        """
        self.asked = signal.Signals(number)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if signal.getsignal(signal.SIGINT) == self.receive:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        say("Stopping after this step, when the state is saved. Ctrl-C stops at once.")


@contextmanager
def stopping() -> Iterator[Stop]:
    """Take the signals while the block runs, but for those that are ignored, and give them back to who had them.

    A block that ends after a signal saved its state: the signal is then raised again for its old handler. Signals reach
    the main thread alone; in any other nothing is taken.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, stop.receive)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.asked is not None:
        signal.raise_signal(stop.asked)
