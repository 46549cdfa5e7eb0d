"""Where an experiment comes from: versions, commit, what dvc.lock vouches for and what has changed since."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ganpipe import __version__, paths
from ganpipe.config import flatten, read_yaml
from ganpipe.errors import DataError
from ganpipe.tracking.run_metadata import CHANGED, code_diff, git


@dataclass(frozen=True)
class Locked:
    """What a stage wrote or read, by the hash that DVC knows it by."""

    stage: str
    path: str
    digest: str


@dataclass(frozen=True)
class Outdated:
    """A stage that ran on `path` as it was before the stage `producer` wrote it anew."""

    stage: str
    path: str
    producer: str


def environment() -> dict[str, str]:
    """Return versions and commit of the current folder and interpreter; nothing that names the machine."""
    commit = git("rev-parse", "HEAD").strip()
    changed = CHANGED if commit and code_diff() else ""
    facts = {"ganpipe": __version__, "python": platform.python_version(), "torch": version("torch")}
    return facts | ({"git commit": commit + changed} if commit else {})


def locked_outputs(lock: Path = paths.LOCK) -> list[Locked]:
    """Return the outputs of all stages in dvc.lock, empty where there is none. Raises `DataError`, `ConfigError`."""
    return _entries(lock, "outs")


def outdated(lock: Path = paths.LOCK) -> list[Outdated]:
    """Return which stages in dvc.lock ran on what another stage has replaced since. Raises `DataError`."""
    written = {out.path: out for out in locked_outputs(lock)}
    return [
        Outdated(read.stage, read.path, written[read.path].stage)
        for read in _entries(lock, "deps")
        if read.path in written and read.digest != written[read.path].digest
    ]


def changed_since(lock: Path = paths.LOCK, params: Path = paths.PARAMS) -> list[str]:
    """Return the params, by dotted key, that some stage in dvc.lock ran with other values of. Raises `DataError`."""
    now = flatten(read_yaml(params))
    ran: dict[str, Any] = {}
    for stage in _stages(lock).values():
        ran |= flatten(stage.get("params", {}).get(params.name, {}))
    return sorted(key for key, value in ran.items() if now.get(key) != value)


def _entries(lock: Path, kind: str) -> list[Locked]:
    return [
        Locked(name, entry["path"], entry[entry.get("hash", "md5")])
        for name, stage in _stages(lock).items()
        for entry in stage.get(kind, [])
    ]


def _stages(lock: Path) -> Mapping[str, Mapping[str, Any]]:
    if not lock.is_file():
        return {}
    stages = read_yaml(lock).get("stages", {})
    if not isinstance(stages, dict):
        raise DataError(f"{lock}: no stages in it; restore it with `git checkout {lock}`")
    return stages
