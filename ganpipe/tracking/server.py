"""`ganpipe ui`: the MLflow user interface on the store of this checkout, on this machine only."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganpipe.errors import ConfigError, GanpipeError
from ganpipe.paths import state_dir
from ganpipe.tracking.locations import artifact_root, is_server, store_uri

HOST = "127.0.0.1"
START_SECONDS = 120.0  # until the server answers; the first start on a slow disk takes most of a minute
STOP_SECONDS = 10.0  # until a server that was asked to stop is killed

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nine processes for judging language models
    "MLFLOW_LOGGING_LEVEL": "INFO",  # to the log file; our own process has turned it down
}


def serve(port: int, open_browser: bool) -> None:
    """Show the table of experiments in the browser until Ctrl-C or SIGTERM.

    Raises `ConfigError` if the port is taken, `GanpipeError` if the server does not come up.
    """
    from ganpipe.tracking.store import experiment_id

    uri = store_uri()
    if is_server(uri):
        _show(uri, experiment_id(), open_browser)
        return
    _require_free(port)
    experiment = experiment_id()
    with _interruptible(), _running_server(uri, port) as server:
        _wait_until_healthy(server, port)
        _show(f"http://{HOST}:{port}", experiment, open_browser)
        print("Ctrl-C ends it.", flush=True)
        code = server.wait()
        raise GanpipeError(f"the MLflow server ended with code {code}: {_last_words()}")


def deep_link(address: str, experiment: str) -> str:
    """Return the address of our table of runs; the front page of MLflow would open in its mode for language models."""
    return f"{address.rstrip('/')}/#/experiments/{experiment}/runs?workflowType=machine_learning"


def _show(address: str, experiment: str, open_browser: bool) -> None:
    link = deep_link(address, experiment)
    print(link, flush=True)
    if open_browser:
        webbrowser.open(link)


def _require_free(port: int) -> None:
    if not _is_free(port):
        free = next((other for other in range(port + 1, 65536) if _is_free(other)), 0)
        raise ConfigError(f"port {port} is taken; try `ganpipe ui --port {free}`")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just given back is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _running_server(uri: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server in a process group of its own, which ends with the block: it starts workers that outlive it."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", HOST, "--port", str(port)]
    command += ["--backend-store-uri", uri, "--artifacts-destination", str(artifact_root())]
    environment = os.environ | _SETTINGS
    _log().parent.mkdir(parents=True, exist_ok=True)
    with _log().open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        yield server
    finally:
        _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end the block like Ctrl-C does, and take either as the user's way to leave."""

    def leave(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except KeyboardInterrupt:
        print(flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_until_healthy(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise GanpipeError(f"the MLflow server did not start: {_last_words()}")
        if _is_healthy(port):
            return
        time.sleep(0.2)
    raise GanpipeError(f"the MLflow server did not answer within {START_SECONDS:.0f} s; see {_log()}")


def _is_healthy(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never ask a proxy for this machine
    try:
        with direct.open(f"http://{HOST}:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _log() -> Path:
    return state_dir() / "ui.log"


def _last_words() -> str:
    lines = _log().read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{lines[-1][:200] if lines else 'no output'} (all of it in {_log()})"
