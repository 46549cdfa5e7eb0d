"""Work in processes that may be killed. They are forked from a server that has imported torch once: no wait for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parent


def _context() -> ForkServerContext:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_TESTS), str(_TESTS.parent), os.environ.get("PYTHONPATH", "")])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ganpipe.training.stage", "shapes"])
    return context


_CONTEXT = _context()


def started(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Call a function of a module of the tests in another process, in this folder, with one torch thread."""
    process = _CONTEXT.Process(target=_work, args=(Path.cwd(), work, arguments), daemon=True)
    process.start()
    return process


def kill_when(process: ForkServerProcess, due: Callable[[], bool]) -> None:
    """Kill a process with SIGKILL as soon as `due` is true; fail where it ended before."""
    while not due():
        assert process.is_alive(), f"it ended with {process.exitcode} before it could be killed"
        time.sleep(0.002)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _work(folder: Path, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    import torch

    os.chdir(folder)
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    work(*arguments)
