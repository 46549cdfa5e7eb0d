"""What DVC knows of the current folder: which stages are up to date, and which of its experiments lies here."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganpipe import paths
from ganpipe.config import read_yaml
from ganpipe.errors import DataError
from ganpipe.tracking.run_metadata import git
from ganpipe.tracking.stage_outputs import STAGES

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage


@dataclass(frozen=True)
class DvcExperiment:
    """An experiment of DVC, by its commit and the commit it started from."""

    name: str
    commit: str
    baseline: str


def dvc(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of DVC in a folder (None: the current one) and return what it said."""
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, cwd=folder)


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line in which a failed command names its error: DVC marks it, others write it last."""
    lines = (done.stderr.strip() or done.stdout.strip() or "no answer").splitlines()
    return next((line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")), lines[-1])


def finished_stages() -> list[str]:
    """Return the stages, first to last, whose files belong to the present params and code. Raises `DataError`."""
    changed = _changed_stages()
    stale = [STAGES.index(stage) for stage in STAGES if stage in changed]
    return list(STAGES[: min(stale, default=len(STAGES))])


def up_to_date(stages: Sequence[str]) -> list[str]:
    """Return the first of these stages that DVC would skip now, also while it runs an earlier one. Raises `DataError`.

    DVC is asked, which takes a second, only where dvc.lock names the very files that the first of them would read.
    """
    recorded = recorded_stages()
    ready = [stage for stage in stages if stage in recorded]
    if not ready or ready[0] != stages[0] or not _reads_recorded_files(recorded[ready[0]]):
        return []
    from dvc.exceptions import DvcException
    from dvc.repo import Repo  # takes a second; not `dvc status`, which refuses while a stage runs

    try:
        with Repo(".") as repo:
            unchanged = itertools.takewhile(lambda name: not any(_loaded(repo, name).changed_entries()), ready)
            return list(unchanged)
    except DvcException as error:
        raise DataError(f"DVC cannot tell which stages are up to date: {str(error).splitlines()[0]}") from error


def recorded_stages() -> Mapping[str, Mapping[str, Any]]:
    """Return the stages in dvc.lock, with their dependencies and outputs; empty where there is no such file."""
    stages = read_yaml(paths.LOCK).get("stages") if paths.LOCK.is_file() else None
    return stages if isinstance(stages, Mapping) else {}


def dvc_experiments() -> list[DvcExperiment]:
    """Return DVC's experiments in this repository, empty where there is no git."""
    found = []
    for line in git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
        commit, _, ref = line.partition(" ")
        if named := re.fullmatch(r"refs/exps/([0-9a-f]{2}/[0-9a-f]{38})/(.+)", ref):
            found.append(DvcExperiment(named[2], commit, named[1].replace("/", "")))
    return found


def experiments_here() -> list[DvcExperiment]:
    """Return the experiments of DVC that ended with the dvc.lock of the current folder: the same params and outputs.

    So an experiment keeps its name that DVC took from its run cache, or that `dvc exp apply` brought here.
    """
    here = git("hash-object", "--", str(paths.LOCK)).strip() if paths.LOCK.is_file() else ""
    if not here:
        return []
    lock = f"./{paths.LOCK}"  # beside dvc.yaml, wherever that lies in the repository
    return [one for one in dvc_experiments() if git("rev-parse", "--quiet", f"{one.commit}:{lock}").strip() == here]


def _changed_stages() -> Mapping[str, Any]:
    done = dvc("status", "--json")
    try:
        changed = json.loads(done.stdout)
    except ValueError:
        raise DataError(f"`dvc status` failed: {error_line(done)}") from None
    return changed if isinstance(changed, Mapping) else {}


def _loaded(repo: Repo, name: str) -> PipelineStage:
    return repo.stage.load_one(str(paths.PIPELINE), name)


def _reads_recorded_files(stage: Mapping[str, Any]) -> bool:
    """Whether the data files that a stage of dvc.lock reads are those it names; folders are left to DVC."""
    deps = stage.get("deps") or ()
    files = [dep for dep in deps if Path(dep["path"]).parts[0] == paths.DATA.name and "nfiles" not in dep]
    return all(_is_recorded(Path(dep["path"]), dep.get("size"), str(dep.get("md5"))) for dep in files)


def _is_recorded(path: Path, size: int | None, md5: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == md5
