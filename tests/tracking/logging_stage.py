"""A stage that logs and then works for some seconds. It imports little: it runs in processes of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from ganpipe.config import Params
from ganpipe.identity import identify_workspace
from ganpipe.tracking.api import track

LOSS = "train/loss_generator"


def stage(params: Params, seconds: float, said: Path) -> None:
    """What a training does that logs two points and then works for some seconds. `said` gets what it prints."""
    sys.stdout = sys.stderr = said.open("w", buffering=1)
    for standard in (1, 2):
        os.dup2(sys.stdout.fileno(), standard)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with track("train", params, identify_workspace(params)) as run:
        for step in (1000, 2000):
            run.metrics({LOSS: 1000 / step}, step)
        time.sleep(seconds)
