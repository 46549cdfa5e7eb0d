"""`ganpipe doctor`: is all there that a run needs, and is what is there whole? Reads, and writes nothing that stays."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from ganpipe import params, paths
from ganpipe.data.download.verify import examine
from ganpipe.errors import GanpipeError
from ganpipe.files import readable_size
from ganpipe.pretrained.table import TABLE
from ganpipe.tracking.locations import is_server, sqlite_file, store_uri
from ganpipe.tracking.pipeline import finished_stages
from ganpipe.tracking.run_metadata import git
from ganpipe.words import one_line

_LITTLE_DISK = 5e9  # bytes: packed faces, a training and the cache
_LITTLE_MEMORY = 2e9  # bytes: torch and MLflow take one together
_SECONDS = 5  # to wait for a tracking server


@dataclass(frozen=True)
class Finding:
    """What was found of one thing; `todo` says what would mend it, and is empty where nothing is to be mended."""

    about: str
    found: str
    todo: str = ""

    def __str__(self) -> str:
        """Return the line for a person: `OK  disk  34 GB free`."""
        line = f"{'!!' if self.todo else 'OK'}  {self.about:<11}  {self.found}{f': {self.todo}' if self.todo else ''}"
        return one_line(line)


def findings() -> Iterator[Finding]:
    """Look at one thing after the other: the machine, the workspace, the tracking store, extras, weights, the data.

    A thing that cannot even be looked at is a finding as well.
    """
    for about, look in _LOOKS.items():
        try:
            yield look()
        except GanpipeError as error:
            yield Finding(about, "at fault", str(error))
        except Exception as error:  # what is examined here may be broken in any way
            yield Finding(about, "cannot be examined", (str(error).strip() or type(error).__name__).splitlines()[0])


def _python() -> Finding:
    return Finding("python", f"{platform.python_version()}, ganpipe {version('ganpipe')}, {sys.executable}")


def _torch() -> Finding:
    import torch

    found = f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    return Finding("torch", found)


def _device() -> Finding:
    from ganpipe.machine import prepare_device

    runtime = params.load().runtime
    return Finding("device", f"runtime.device = {runtime.device} is {prepare_device(runtime)}")


def _memory() -> Finding:
    from ganpipe.machine import available_memory, physical_memory

    free, whole = available_memory(), physical_memory()
    todo = "end other programs, or lower train.batch" if free < _LITTLE_MEMORY else ""
    return Finding("memory", f"{readable_size(free)} of {readable_size(whole)} free", todo)


def _disk() -> Finding:
    free = shutil.disk_usage(paths.main_root()).free
    todo = "make room, for example with `dvc gc --workspace` or `rm -r .ganpipe/checkpoints`"
    return Finding("disk", f"{readable_size(free)} free", todo if free < _LITTLE_DISK else "")


def _permissions() -> Finding:
    root = paths.main_root()
    needed = [folder for folder in (root, root / paths.DATA, paths.state_dir(), root / ".dvc") if folder.is_dir()]
    for folder in needed:
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            return Finding("permissions", f"{folder}: {error.strerror}", "let this user write there")
    return Finding("permissions", f"files can be written in {', '.join(folder.name for folder in needed)}")


def _git() -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "not installed", "install git: `dvc exp run` needs it")
    if not (commit := git("rev-parse", "--short", "HEAD").strip()):
        return Finding("git", "no repository with a commit", "`git init && git add -A && git commit -m start`")
    if not git("var", "GIT_COMMITTER_IDENT"):
        return Finding("git", "does not know you", "`git config user.name NAME && git config user.email ADDRESS`")
    changed = len(git("status", "--porcelain").splitlines())
    return Finding("git", f"at {commit}, {changed} files changed since")


def _dvc() -> Finding:
    if not (paths.main_root() / ".dvc").is_dir():
        return Finding("dvc", f"{version('dvc')}, but no .dvc in {paths.main_root()}", "`dvc init`")
    if not paths.PIPELINE.is_file():
        return Finding("dvc", f"no {paths.PIPELINE} in {Path.cwd()}", "go to the folder of the checkout")
    done = ", ".join(finished_stages()) or "none of train, sample, evaluate"
    return Finding("dvc", f"{version('dvc')}, up to date: {done}")


def _params() -> Finding:
    checked = params.load()
    return Finding("params", f"{checked.system.name} on {checked.data.name}")


def _tracking() -> Finding:
    uri = store_uri()
    if is_server(uri):
        import requests

        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=_SECONDS)
        todo = "" if answer.ok else "look at its log, or unset MLFLOW_TRACKING_URI"
        return Finding("tracking", f"{uri} answers {answer.status_code}", todo)
    file = sqlite_file(uri)
    if file is None:
        return Finding("tracking", uri)
    if not file.exists():
        return Finding("tracking", f"{file} will be made by the first run")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        ((state,),) = database.execute("PRAGMA quick_check(1)").fetchall()
    return Finding("tracking", f"{file}: {state}", "" if state == "ok" else "move it away; `ganpipe track sync`")


def _extras() -> Finding:
    there: list[str] = []
    lacking: list[str] = []
    for extra in metadata("ganpipe").get_all("Provides-Extra") or []:
        wanted = [Requirement(text) for text in requires("ganpipe") or []]
        own = [one for one in wanted if one.marker and one.marker.evaluate({"extra": extra})]
        (there if all(map(_is_installed, own)) else lacking).append(extra)
    how = f"; not there: {', '.join(lacking)} (`pip install 'ganpipe[NAME]'` where you need one)" if lacking else ""
    return Finding("extras", f"{', '.join(there) or 'none'}{how}")


def _is_installed(wanted: Requirement) -> bool:
    try:
        return wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _weights() -> Finding:
    there = []
    for name, entry in TABLE.items():
        files = [(paths.state_dir() / "weights" / name / file.name, file) for file in entry.files]
        if not all(path.is_file() for path, _ in files):
            continue
        for path, file in files:
            if problem := examine(path, file).problem(tolerant=False):
                return Finding("weights", f"{path} {problem}", f"`rm {path}`: it is fetched again when needed")
        there.append(name)
    return Finding("weights", f"{', '.join(there) or 'none'} here and whole; others are fetched when needed")


def _data() -> Finding:
    from ganpipe.data.packed.file import Packed

    if not paths.MANIFEST.exists():
        return Finding("data", "not packed yet")
    packed = Packed.open(paths.PACKED_FILE)
    packed.verify()
    return Finding("data", f"{packed.name}, every row of {packed.content_sha256[:8]} is whole")


_LOOKS: dict[str, Callable[[], Finding]] = {
    "python": _python,
    "torch": _torch,
    "memory": _memory,
    "disk": _disk,
    "permissions": _permissions,
    "git": _git,
    "params": _params,
    "device": _device,
    "dvc": _dvc,
    "tracking": _tracking,
    "extras": _extras,
    "weights": _weights,
    "data": _data,
}
