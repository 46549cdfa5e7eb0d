"""Work in processes that may be killed. They are forked from a server that has imported torch once: no wait for it."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

OUTPUT = Path("output-of-a-child.txt")
"""What children print, one after the other, in the folder that was the current one."""

_TESTS = Path(__file__).parent
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["ganpipe.training.stage", "shapes", "torch._dynamo"])


@contextlib.contextmanager
def _search_path() -> Iterator[None]:
    """Let the server, which starts with the first child and inherits this environment, find the modules of tests."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_TESTS), str(_TESTS.parent), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def started(
    work: Callable[..., None], *arguments: Any, environment: Mapping[str, str] | None = None
) -> ForkServerProcess:
    """Call a function of a module of the tests in another process, in this folder, with one torch thread.

    What it prints is added to `OUTPUT`. `environment` is added to the variables of the process. Calls there are not
    checked for array shapes.
    """
    process = _CONTEXT.Process(target=_work, args=(Path.cwd(), environment or {}, work, arguments), daemon=True)
    with _search_path():
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


def wait_for(*processes: ForkServerProcess) -> str:
    """Wait for processes to end well, and return what they printed. Where one fails, the others are killed soon."""
    while any(process.is_alive() for process in processes):
        multiprocessing.connection.wait([process.sentinel for process in processes if process.is_alive()])
        if any(process.exitcode for process in processes):
            for process in processes:
                process.join(timeout=10)
                process.kill()
    printed = OUTPUT.read_text()
    assert [process.exitcode for process in processes] == [0] * len(processes), printed
    return printed


def _work(folder: Path, environment: Mapping[str, str], work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    import torch

    os.environ.update(environment)
    os.chdir(folder)
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = OUTPUT.open("a", buffering=1)  # open to the end: the last is written by multiprocessing
    work(*arguments)
