"""Workspaces in which stages run in forked children, with the fault that was armed for them."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import json
import os
import pkgutil
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
SHIM = Path(__file__).with_name("faults_shim.c")

OUTS: Mapping[str, tuple[str, ...]] = {
    "download": ("data/raw",),
    "pack": ("data/packed",),
    "train": ("data/model", "data/previews", "data/history.csv", "data/curves.png", "data/findings.json"),
    "sample": ("data/samples",),
    "reference": ("data/reference",),
    "evaluate": ("data/metrics.json", "data/per_class.csv"),
}
"""What each stage leaves, in the order of the stages; without the peak memory, which differs from run to run."""
CHECKPOINTS = ".ganpipe/checkpoints"

OFF, COUNT, KILL, TORN, EIO, FULL, TERM, INTR, COUNT_READS, EIO_READ = range(10)
"""The modes of the shim."""

HANGS = 120.0
"""Seconds after which a stage, which takes about one, is said to hang."""


@dataclass(frozen=True)
class Fault:
    """What happens to one process: a mode of the shim at one operation, or limits of the system, by resource."""

    mode: int = OFF
    at: int = -1
    limits: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a stage ended: its exit code (negative: the signal; None: it hung), and what it printed."""

    code: int | None
    said: str

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.said

    @property
    def in_a_line(self) -> bool:
        """Whether it ended as a refusal should: with a code that is documented, and one line that says why."""
        last = self.said.strip().splitlines()[-1:] or [""]
        return self.code in (1, 2) and last[0].startswith("Error: ") and not self.traceback


def preloaded(folder: Path) -> None:
    """Start this program anew with the shim in it, once; print a line where there is no compiler."""
    if os.environ.get("LD_PRELOAD") or "GANPIPE_NO_SHIM" in os.environ:
        return
    compiler, library = shutil.which("cc") or shutil.which("gcc"), folder / "faults_shim.so"
    if compiler is None:
        print("no C compiler: faults at single file operations are left out", flush=True)
        os.environ["GANPIPE_NO_SHIM"] = "1"
        return
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def shim() -> ctypes.CDLL | None:
    """Return the preloaded library."""
    return ctypes.CDLL(os.environ["LD_PRELOAD"]) if os.environ.get("LD_PRELOAD") else None


def import_everything() -> None:
    """Import what the stages import, so that children find it; rows of MLflow are left out."""
    import torch
    import torch._dynamo  # of the first optimizer

    torch.set_num_threads(1)
    for package in ("ganpipe", "stages"):
        for module in pkgutil.walk_packages([str(REPOSITORY / package)], f"{package}."):
            if not module.name.startswith(("ganpipe.demo", "ganpipe.cli", "ganpipe.report")):
                importlib.import_module(module.name)
    from ganpipe.history.panels import draw_curves
    from ganpipe.tracking import api
    from ganpipe.tracking.run import Run, Silence

    with tempfile.TemporaryDirectory() as folder:  # Matplotlib finds its fonts and imports the rest of itself
        draw_curves(
            Path(folder, "curves.png"), [{"kimg": float(kimg), "loss_generator": 1.0} for kimg in (1, 2)], {}, {}
        )

    @contextlib.contextmanager
    def track(*_: object) -> Iterator[Run]:
        yield Run(Silence())

    api.track = track


class Workspace:
    """A folder like a checkout, in which stages are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_params(cls, folder: Path, params: str) -> Workspace:
        """Make one with the code of this checkout and these params, and nothing run yet."""
        (folder / ".dvc").mkdir(parents=True)
        code = (
            folder.parent / "code"
        )  # a copy: the checkout may change meanwhile, and with it the identity of a training
        shutil.copytree(REPOSITORY / "ganpipe", code / "ganpipe", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "dvc.yaml", code)
        for name in ("ganpipe", "dvc.yaml"):
            (folder / name).symlink_to(code / name)
        (folder / "params.yaml").write_text(params)
        return cls(folder)

    def copy(self, folder: Path, stage: str) -> Workspace:
        """Return a copy as it is before `stage` runs for the first time."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        made = Workspace(folder)
        for later in list(OUTS)[list(OUTS).index(stage) :]:
            made.remove(later)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        return made

    def remove(self, stage: str) -> None:
        """Delete what a stage leaves, as DVC does before it runs it."""
        for out in OUTS[stage]:
            path = self.folder / out
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def files(self, *places: str) -> list[Path]:
        """Return all files at some places, sorted."""
        found = []
        for place in places:
            path = self.folder / place
            found += sorted(path.rglob("*")) if path.is_dir() else [path]
        return [path for path in found if path.is_file() and not path.is_symlink()]

    def digest(self, stage: str) -> dict[str, str]:
        """Return the SHA-256 of all that a stage has left, by name."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.files(*OUTS[stage])
        }

    def start(self, stage: str, fault: Fault, said: Path) -> int:
        """Run a stage in a child, which prints to the file `said`; return its process id."""
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if not process:
            try:
                code = self._run(stage, fault, said)
            except BaseException:
                traceback.print_exc()
                code = 1
            os._exit(code)
        return process

    def run(self, stage: str, fault: Fault = Fault()) -> Ended:
        """Run a stage to its end."""
        said = self.folder.with_suffix(".said")
        said.unlink(missing_ok=True)
        code = waited(self.start(stage, fault, said))
        return Ended(code, said.read_text(errors="replace"))

    def count(self, stage: str, mode: int) -> int:
        """Return how many operations a stage does that the shim counts in this mode."""
        told = self.folder.with_suffix(".count")
        ended = self.run(stage, Fault(mode))
        assert ended.code == 0, ended.said
        return int(told.read_text())

    def _run(self, stage: str, fault: Fault, said: Path) -> int:
        os.chdir(self.folder)
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number in (1, 2):
            os.dup2(out, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for what, most in fault.limits.items():
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))
        library = shim()
        if library is not None:
            library.fault_arm(fault.mode, ctypes.c_long(fault.at), f"{self.folder}/".encode())
        try:
            return _code_of(stage)
        finally:
            if library is not None:
                count = library.fault_count()
                library.fault_arm(OFF, ctypes.c_long(-1), b"")
                if fault.mode in (COUNT, COUNT_READS):
                    self.folder.with_suffix(".count").write_text(str(count))
            sys.stdout.flush()
            sys.stderr.flush()


def _code_of(stage: str) -> int:
    name, arguments = ("evaluate", ["--reference"]) if stage == "reference" else (stage, [])
    try:
        importlib.import_module(f"stages.{name}").app(args=arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def waited(process: int, patience: float = HANGS) -> int | None:
    """Wait for a child and return its exit code; kill it and return None where it hangs."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def made_base(folder: Path, params: Callable[[Path], str]) -> Workspace:
    """Return a workspace in which all stages have run."""
    base = Workspace.of_params(folder, params(folder))
    for stage in OUTS:
        ended = base.run(stage)
        assert ended.code == 0, f"{stage}: {ended.said}"
    return base


def described(params: object) -> str:
    """Return params as the text of a file: JSON is YAML."""
    return json.dumps(params, indent=1)
