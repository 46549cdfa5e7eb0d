"""Giving up a trial of a sweep while it trains: its `train/fd` is told to the study, which may end it.

A training knows by its environment that it is a trial. Anything that goes wrong with the study costs one line, no
training.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

STUDY, STORAGE, TRIAL = "GANPIPE_SWEEP_STUDY", "GANPIPE_SWEEP_STORAGE", "GANPIPE_SWEEP_TRIAL"
"""Environment variables of a trial that may be given up: the names of study and storage, and the id in the storage."""

PRUNED = 75
"""The exit code of a training that the study has given up."""


Listener = Callable[[Mapping[str, float], int], None]
"""Takes a row of the history, and the number of images shown."""


def telling_sweep(listener: Listener) -> Listener:
    """Return the listener, which in a trial tells the study, too, and raises `SystemExit` where that gives it up."""
    if TRIAL not in os.environ:
        return listener

    def both(row: Mapping[str, float], nimg: int) -> None:
        listener(row, nimg)
        _report(row, nimg)

    return both


def _report(row: Mapping[str, float], nimg: int) -> None:
    if "fd" not in row:
        return
    try:
        give_up = _is_given_up(row["fd"], nimg)
    except Exception as error:  # databases and networks raise what they like
        print(f"The sweep's study was not told of train/fd: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        return
    if give_up:
        print(f"The sweep gives up this trial: train/fd is {row['fd']:.4g} at {nimg / 1000:g} kimg", flush=True)
        raise SystemExit(PRUNED)


def _is_given_up(score: float, nimg: int) -> bool:
    from ganpipe.sweeps.study import load_trial

    trial = load_trial(os.environ[STUDY], os.environ[STORAGE], int(os.environ[TRIAL]))
    trial.report(score, nimg)
    if trial.should_prune():
        trial.set_user_attr("given_up", score)
        return True
    return False
