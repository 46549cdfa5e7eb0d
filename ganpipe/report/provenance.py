"""Where the results of the current folder come from: versions, commit, hashes of outputs, and what is out of date."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ganpipe import __version__, paths
from ganpipe.config import read_yaml
from ganpipe.errors import DataError
from ganpipe.tracking.pipeline import finished_stages
from ganpipe.tracking.run_metadata import CHANGED, code_diff, git
from ganpipe.tracking.stage_outputs import STAGES


@dataclass(frozen=True)
class Locked:
    """An output of a stage, by the hash that DVC knows it by."""

    stage: str
    path: str
    digest: str


def environment() -> dict[str, str]:
    """Return versions and commit of the current folder and interpreter; nothing that names the machine."""
    commit = git("rev-parse", "HEAD").strip()
    changed = CHANGED if commit and code_diff() else ""
    facts = {"ganpipe": __version__, "python": platform.python_version(), "torch": version("torch")}
    return facts | ({"git commit": commit + changed} if commit else {})


def locked_outputs(lock: Path = paths.LOCK) -> list[Locked]:
    """Return the outputs of all stages in dvc.lock, empty where there is no such file. Raises `DataError`."""
    stages = read_yaml(lock).get("stages", {}) if lock.is_file() else {}
    if not isinstance(stages, dict):
        raise DataError(f"{lock}: no stages in it; restore it with `git checkout {lock}`")
    return [
        Locked(name, out["path"], out[out.get("hash", "md5")])
        for name, stage in stages.items()
        for out in stage.get("outs", [])
    ]


def outdated_stages(outputs: Sequence[Locked]) -> list[str]:
    """Return the stages that left these outputs and do not belong to the present params, code and data any more.

    Asks DVC, which takes seconds. Raises `DataError` where DVC cannot say.
    """
    ran = {output.stage for output in outputs}
    finished = finished_stages() if ran.intersection(STAGES) else []
    return [stage for stage in STAGES if stage in ran and stage not in finished]
