"""`ganpipe ui`: the MLflow server on the store of this checkout, on this machine only.

This process becomes the server, so Ctrl-C, SIGTERM, exit code and log are the server's own.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import webbrowser
from typing import NoReturn

from ganpipe.errors import ConfigError
from ganpipe.tracking.api import open_experiment
from ganpipe.tracking.locations import artifact_root, is_server, store_uri
from ganpipe.words import masked

HOST = "127.0.0.1"

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nine processes for judging language models
    "MLFLOW_LOGGING_LEVEL": "INFO",  # our own process has turned it down
}


def serve(port: int, open_browser: bool) -> None:
    """Print the address of our table of runs and become the MLflow server; returns only if the store is a server.

    `open_browser` opens the page once the server listens. Raises `ConfigError` if the port is taken.
    """
    uri = store_uri()
    if is_server(uri):
        link = deep_link(uri, open_experiment())
        print(masked(link), flush=True)
        if open_browser:
            webbrowser.open(link)
        return
    require_free(port, "ganpipe ui")
    link = deep_link(f"http://{HOST}:{port}", open_experiment())
    print(f"{link}\nStarting the server; Ctrl-C ends it.", flush=True)
    if open_browser:
        _open_when_listening(port, link)
    _become_server(uri, port)


def deep_link(address: str, experiment: str) -> str:
    """Return the address of our table of runs; the front page of MLflow would open in its mode for language models."""
    return f"{address.rstrip('/')}/#/experiments/{experiment}/runs?workflowType=machine_learning"


def _become_server(uri: str, port: int) -> NoReturn:
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", HOST, "--port", str(port)]
    command += ["--backend-store-uri", uri, "--artifacts-destination", str(artifact_root())]
    command += ["--uvicorn-opts", "--log-level warning"]  # no line per request
    os.execve(sys.executable, command, os.environ | _SETTINGS)


def _open_when_listening(port: int, link: str) -> None:
    """Open the page from a child process as soon as the port is taken, unless the server ends before."""
    server = os.getpid()
    if os.fork():
        return
    while _is_free(port) and os.getppid() == server:
        time.sleep(0.2)
    if os.getppid() == server:
        webbrowser.open(link)
    os._exit(0)


def require_free(port: int, command: str) -> None:
    """Raise `ConfigError` if a port of this machine is taken; the message tells to give `command` another one."""
    if not _is_free(port):
        free = next((other for other in range(port + 1, 65536) if _is_free(other)), 0)
        raise ConfigError(f"port {port} is taken; try `{command} --port {free}`")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just given back is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
