"""What every command does first and last: set up its process, and turn errors into one line and an exit code."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ganpipe.errors import GanpipeError
from ganpipe.faults import explained
from ganpipe.words import one_line

if TYPE_CHECKING:
    from ganpipe.config import Params

_PR_SET_PDEATHSIG = 1
_MOMENT = 0.01  # seconds
_DEBUG = "GANPIPE_DEBUG"
"""The environment variable that keeps the traceback of what the machine did."""


@contextmanager
def stage_process() -> Iterator[Params]:
    """Set up this process to run a stage, and give the block the checked content of params.yaml.

    Idle OpenMP threads sleep. SIGTERM ends the block as an exit, and is sent when `dvc` dies. An error in the block
    ends the process as `one_line_errors` says; params at fault end it before anything is written.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported: no spinning on shared cores
    exit_on_sigterm()
    _die_with_dvc()
    with one_line_errors():
        from ganpipe import params

        yield params.load()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the command with one line on stderr for an error that the user can mend, and for Ctrl-C.

    The exit code is that of the `GanpipeError`, 1 for what the machine does (see `faults`), 130 for Ctrl-C. Whoever
    reads the output may go away: that is no error. With the variable `GANPIPE_DEBUG` the traceback of a fault of the
    machine is kept.
    """
    try:
        yield
    except GanpipeError as error:
        if error.told_elsewhere:
            raise typer.Exit(error.exit_code) from None
        _end(f"Error: {one_line(str(error))}", error.exit_code)
    except KeyboardInterrupt:
        _end("Interrupted.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes what is left to nowhere
        raise typer.Exit(1) from None
    except Exception as error:
        said = explained(error)
        if said is None or os.environ.get(_DEBUG):
            raise
        _end(f"Error: {one_line(said)}", 1)


def _end(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr, flush=True)
    raise typer.Exit(code) from None


def exit_on_sigterm() -> None:
    """Let SIGTERM raise `SystemExit`, so that `with` and `finally` blocks run.

    Python drops what is raised within a destructor or a callback of a weak reference: see `_take_dropped`.
    """

    def end(signum: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, end)
    sys.unraisablehook = _take_dropped
    sys.excepthook = _tell_in_a_line


def _tell_in_a_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what the machine did in a line: HDF5, where it cannot close a file, prints errors beside Python's way."""
    said = explained(error)
    if said is None or os.environ.get(_DEBUG):
        sys.__excepthook__(kind, error, trace)
    else:
        print(one_line(said), file=sys.stderr, flush=True)


def _take_dropped(dropped: sys.UnraisableHookArgs) -> None:
    """Raise an end of the process, or Ctrl-C, once more a moment later; tell in a line what the machine did."""
    error = dropped.exc_value
    if isinstance(error, SystemExit | KeyboardInterrupt) and threading.current_thread() == threading.main_thread():
        _raise_soon(error)
    elif error is not None and explained(error) is not None and not os.environ.get(_DEBUG):
        _tell_in_a_line(type(error), error, None)
    else:
        sys.__unraisablehook__(dropped)


def _raise_soon(error: BaseException) -> None:
    def end(signum: int, frame: Any) -> NoReturn:
        raise error

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, _MOMENT)


def _die_with_dvc() -> None:
    """Ask Linux for SIGTERM when DVC dies. A stage run by hand may outlive the shell that started it."""
    if sys.platform == "linux" and "DVC_ROOT" in os.environ:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
