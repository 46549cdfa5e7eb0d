"""What every stage does first and last: check all params, die with DVC, turn errors into one line and an exit code."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ganpipe.errors import GanpipeError

if TYPE_CHECKING:
    from ganpipe.config import Params

_PR_SET_PDEATHSIG = 1
_OUTER_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


@contextmanager
def stage_process() -> Iterator[Params]:
    """Lend the checked content of params.yaml to a stage.

    A `GanpipeError` raised in the block ends the process with its message alone and its exit code, before anything is
    written where the params are at fault. SIGTERM, also sent when `dvc` itself is killed, ends the block as an exit.
    """
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # before torch: idle OpenMP threads must not spin on shared cores
    _end_with_parent()
    with one_line_errors():
        from ganpipe import params

        yield params.load()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a `GanpipeError` into its message on stderr and its exit code, and Ctrl-C into exit code 130."""
    try:
        yield
    except GanpipeError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        raise typer.Exit(error.exit_code) from None
    except OSError as error:
        if error.errno not in _OUTER_FAULTS:
            raise
        print(f"Error: {error.filename or 'writing'}: {error.strerror}", file=sys.stderr, flush=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr, flush=True)
        raise typer.Exit(130) from None


def _end_with_parent() -> None:
    """Exit on SIGTERM as on an error, and ask Linux to send it when DVC dies: no orphan may train on."""
    signal.signal(signal.SIGTERM, _exit)
    if sys.platform == "linux" and "DVC_ROOT" in os.environ:  # by hand, a training may well outlive its shell
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _exit(signum: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + signum)
