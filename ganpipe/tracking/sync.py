"""`ganpipe track sync` for experiments of DVC: their runs are built from DVC's cache, beside the workspace.

Each experiment is checked out in a temporary clone below `.ganpipe`, which shares the objects of the repository and
DVC's cache and is deleted afterwards. No file of the workspace is touched.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganpipe.config import Params
from ganpipe.errors import ConfigError, DataError, GanpipeError
from ganpipe.paths import main_root, state_dir
from ganpipe.tracking import api
from ganpipe.tracking.pipeline import DvcExperiment, dvc, dvc_experiments, error_line, recorded_stages
from ganpipe.tracking.run_metadata import git
from ganpipe.tracking.stage_outputs import STAGES


def sync_experiments(names: Sequence[str], remote: str | None, load: Callable[[], Params]) -> Iterator[str]:
    """Build or complete the runs of DVC's experiments of these names, all of them for none; yield a line for each.

    `remote` is a git remote from which the experiments, and from DVC's remote their files, are fetched first. `load`
    reads the params of the current folder. Raises `ConfigError` for an unknown name, and `DataError` at the end if any
    experiment could not be synced.
    """
    if remote is not None:
        _fetch(names, remote)
    chosen = _chosen(names)
    done, failed = api.synced_commits(), 0
    cache = dvc("cache", "dir", folder=main_root()).stdout.strip()
    for experiment in chosen:
        try:
            said = "up to date" if experiment.commit in done else _sync(experiment, cache, load)
        except GanpipeError as error:
            said, failed = str(error), failed + 1
        yield f"{experiment.name}: {said}"
    if failed:
        raise DataError(f"{failed} of {len(chosen)} experiments could not be synced")


def _chosen(names: Sequence[str]) -> list[DvcExperiment]:
    known = {one.name: one for one in dvc_experiments()}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f", did you mean {' or '.join(map(repr, near))}?" if near else ";"
            raise ConfigError(
                f"experiment {name!r} is unknown{hint} `dvc exp list` shows those here, `dvc exp list REMOTE` those of "
                "a git remote, which --remote fetches"
            )
    return [known[name] for name in names] if names else list(known.values())


def _fetch(names: Sequence[str], remote: str) -> None:
    """Fetch experiments of a git remote (none: all), with their files. Raises `DataError`."""
    done = dvc("exp", "pull", remote, *(names or ["--all-commits"]))
    if done.returncode:
        raise DataError(f"`dvc exp pull {remote} {' '.join(names or ['--all-commits'])}` failed: {error_line(done)}")


def _sync(experiment: DvcExperiment, cache: str, load: Callable[[], Params]) -> str:
    state_dir().mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="sync-", dir=state_dir()) as folder,
        _inside(_copy_of(experiment, cache, Path(folder)), experiment),
    ):
        return api.sync_workspace(load(), experiment.commit)


def _copy_of(experiment: DvcExperiment, cache: str, into: Path) -> Path:
    """Check out code, params and the files of the tracked stages from DVC's `cache`; return the folder.

    Raises `DataError` where the cache lacks any.
    """
    repository, root = Path(git("rev-parse", "--show-toplevel").strip()), main_root()
    copy = into / "copy"
    _git("clone", "--quiet", "--shared", "--no-checkout", str(repository), str(copy))
    _git("-C", str(copy), "checkout", "--quiet", "--detach", experiment.commit)
    here = copy / root.relative_to(repository)
    if (root / ".dvc/config.local").exists():
        shutil.copy(root / ".dvc/config.local", here / ".dvc/config.local")
    done = dvc("cache", "dir", "--local", cache, folder=here)
    with contextlib.chdir(here):
        recorded = recorded_stages()
        outs = [Path(out["path"]) for stage in recorded.values() for out in stage.get("outs") or ()]
        read = [Path(item["path"]) for stage in STAGES for item in _files(recorded.get(stage, {}))]
    needed = sorted({str(path) for path in read if any(path.is_relative_to(out) for out in outs)})
    if done.returncode == 0 and needed:
        done = dvc("checkout", *needed, folder=here)
    if done.returncode:
        raise DataError(
            f"DVC's cache lacks files of it ({error_line(done)}); fetch them with --remote, or `dvc exp pull`"
        )
    return here


def _files(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(stage.get("deps") or ()), *(stage.get("outs") or ())]


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"`git {' '.join(arguments)}` failed: {error_line(done)}")


@contextlib.contextmanager
def _inside(folder: Path, experiment: DvcExperiment) -> Iterator[None]:
    """Let the block run in a copy of the checkout, as DVC runs stages of the experiment there."""
    named = {
        "DVC_ROOT": str(main_root()),
        "DVC_EXP_NAME": experiment.name,
        "DVC_EXP_BASELINE_REV": experiment.baseline,
    }
    before = {key: os.environ.get(key) for key in named}
    os.environ.update(named)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
