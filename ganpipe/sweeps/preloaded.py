"""Commands of Python without their imports: a process that has imported everything once, and forks for each command.

DVC starts a stage as `python -m stages.train`, and a new Python imports torch and MLflow for many seconds. While a
sweep runs, `python` on the path is a small script that passes the command to this process. It forks, and the child goes
on as that command: in its folder, with its environment and its output.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib
import os
import runpy
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

MODULES = (
    "dvc.cli",
    "dvc.commands.experiments.run",
    "dvc.repo.experiments.queue.tempdir",
    "ganpipe.data.download.stage",
    "ganpipe.data.pack.stage",
    "ganpipe.identity",
    "ganpipe.metrics.extractors.pattern",
    "ganpipe.metrics.reference",
    "ganpipe.metrics.stage",
    "ganpipe.sampling.stage",
    "ganpipe.tracking.api",
    "ganpipe.training.stage",
    "optuna",
)
"""What commands of a trial import, as far as it does not depend on params.yaml."""

_PR_SET_PDEATHSIG = 1
_SHIM = """#!{python} -ISB
import os, signal, socket, sys
asked = repr((sys.argv[1:], os.getcwd(), dict(os.environ))).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(asked)
    child = int.from_bytes(server.recv(8), "big")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    code = server.recv(8)
sys.exit(int.from_bytes(code, "big") if code else 137)
"""


class Preloaded:
    """The process that has imported everything. It ends with the process that made it, however that one ends."""

    def __init__(self) -> None:
        """Start it; the first command waits until the imports are done."""
        self._folder = Path(tempfile.mkdtemp(prefix="ganpipe-sweep-"))
        address = str(self._folder / "socket")
        self.python = self._folder / "python"
        """The script to call in place of Python; it lies alone in its folder, for `PATH`."""
        self.python.write_text(_SHIM.format(python=sys.executable, address=address), encoding="utf-8")
        self.python.chmod(self.python.stat().st_mode | stat.S_IXUSR)
        server = socket.socket(socket.AF_UNIX)
        server.bind(address)
        server.listen()
        parent = os.getpid()
        self._process = os.fork()
        if not self._process:
            _in_child(lambda: _serve(server, parent))
        server.close()

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], output: Path
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `python -m COMMAND...`, its own commands on this `python`, too; what it says is added to a file."""
        path = f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        with output.open("ab") as log:
            return subprocess.run(
                [str(self.python), "-m", *command],
                env={**os.environ, **environment, "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self) -> None:
        """End the process, and remove the script."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGTERM)
            os.waitpid(self._process, 0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _serve(server: socket.socket, parent: int) -> int:
    """Import everything, then fork for each command that comes; return when the parent is gone."""
    _end_with_parent(signal.SIGKILL, parent)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave no zombies: each sends its exit code itself
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ganpipe.command` does before torch is imported
    for name in MODULES:
        importlib.import_module(name)
    _import_mlflow()
    own = os.getpid()
    while True:
        client = server.accept()[0]
        with client:
            if not os.fork():
                server.close()
                _in_child(lambda: _answer(client, own))  # noqa: B023  the child is the only one to call it


def _import_mlflow() -> None:
    from ganpipe.tracking.locations import store_uri
    from ganpipe.tracking.store import Store

    Store(store_uri()).load()


def _answer(client: socket.socket, server: int) -> int:
    """Become the command that a client asks for, and send it the exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _end_with_parent(signal.SIGTERM, server)
    head, descriptors, _, _ = socket.recv_fds(client, 8, 3)
    content = b""
    while len(content) < int.from_bytes(head, "big"):
        content += client.recv(1 << 16)
    arguments, folder, environment = ast.literal_eval(content.decode())
    client.sendall(os.getpid().to_bytes(8, "big"))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    code = _exit_code(lambda: _run_module(arguments[1:]))
    client.sendall(code.to_bytes(8, "big"))
    return code


def _run_module(arguments: Sequence[str]) -> None:
    sys.argv = list(arguments)
    sys.path[0] = str(Path.cwd())
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _in_child(body: Callable[[], int]) -> NoReturn:
    """Run the rest of a forked process, which must not go back into what its parent was doing."""
    os._exit(_exit_code(body))


def _exit_code(body: Callable[[], int | None]) -> int:
    """Return the code with which Python would end after `body`, its traceback printed and all output written."""
    code: object = 1
    try:
        code = body() or 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code & 255 if isinstance(code, int) else 1


def _end_with_parent(number: int, parent: int) -> None:
    """Ask Linux for a signal when the parent process dies; end at once if it is dead by now."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)
