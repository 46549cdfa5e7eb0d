"""Finding experiments by name: the workspace, rows of MLflow, experiments of DVC, revisions of git."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ganpipe import paths
from ganpipe.config import flatten, read_yaml
from ganpipe.errors import ConfigError, DataError, GanpipeError
from ganpipe.report.material import read_data_sha256
from ganpipe.report.provenance import environment
from ganpipe.tracking.description import git
from ganpipe.tracking.experiment import Experiment
from ganpipe.tracking.mlflow import find_rows, row_names

WORKSPACE = "workspace"
"""The name of the current folder among experiments, as in DVC."""

_DATA = paths.HISTORY.parent
_READ = (paths.HISTORY, paths.METRICS, paths.PER_CLASS, paths.FINDINGS, paths.MANIFEST)


def workspace() -> Experiment:
    """Return what the stages left in the current folder. Raises `DataError` where that is nothing at all."""
    proofs = (paths.HISTORY, paths.METRICS, *paths.PREVIEWS.glob("*.png"), *paths.SAMPLES.glob("*.png"))
    if not any(path.is_file() for path in proofs):
        raise DataError("nothing to report yet: no stage has left curves, pictures or scores here; run `dvc repro`")
    return Experiment(
        name=WORKSPACE,
        origin="the current folder",
        folder=_DATA,
        params=flatten(read_yaml(paths.PARAMS)),
        facts=environment(),
        data_sha256=read_data_sha256(_DATA),
    )


def find(names: Sequence[str], into: Path) -> list[Experiment]:
    """Return the experiments of these names, their files copied to folders below `into`.

    A name is looked for as `workspace`, then as a row of MLflow, then as an experiment of DVC or a revision of git. An
    MLflow that is out of reach costs one line on stderr. Raises `ConfigError` for a name that nothing has.
    """
    rows: dict[str, Experiment] = {}
    known: list[str] = []
    try:
        rows = find_rows([name for name in names if name != WORKSPACE], into)
        known = row_names() if set(names) - set(rows) else []
    except DataError:
        raise
    except GanpipeError as error:
        print(f"{error}: looking at DVC and git alone", file=sys.stderr, flush=True)
    return [rows[name] if name in rows else _find_elsewhere(name, into, known) for name in names]


def _find_elsewhere(name: str, into: Path, rows: Sequence[str]) -> Experiment:
    if name == WORKSPACE:
        return workspace()
    experiments = dvc_experiments()
    revision = experiments.get(name) or git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    if not revision or name.startswith("-"):
        raise ConfigError(_unknown(name, [WORKSPACE, *rows, *experiments, *_branches_and_tags()]))
    origin = "DVC experiment" if name in experiments else "git revision"
    return read_revision(name, f"{origin} {revision[:8]}", revision, into / revision)


def dvc_experiments() -> dict[str, str]:
    """Return the commits of DVC's experiments by name."""
    found: dict[str, str] = {}
    for line in git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
        commit, _, ref = line.partition(" ")
        if named := re.fullmatch(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)", ref):
            found[named[1]] = commit
    return found


def read_revision(name: str, origin: str, revision: str, into: Path) -> Experiment:
    """Copy the results of a commit, from git or from DVC's cache, to `into`. What the cache lacks is missing there.

    Raises `DataError` for a commit that is no experiment of ganpipe.
    """
    from dvc.api import DVCFileSystem  # takes a second

    files = DVCFileSystem(url=".", rev=revision)
    if not files.exists(str(paths.PARAMS)):
        raise DataError(f"{name}: no {paths.PARAMS} in this revision: it is no experiment of ganpipe")
    params = into / paths.PARAMS
    _fetch(files, paths.PARAMS, params)
    pictures = files.ls(str(paths.SAMPLES), detail=False) if files.exists(str(paths.SAMPLES)) else []
    for path in (*_READ, *(Path(picture) for picture in pictures if PurePosixPath(picture).suffix == ".png")):
        if files.exists(str(path)):
            _fetch(files, path, into / path.relative_to(_DATA))
    return Experiment(
        name=name,
        origin=origin,
        folder=into,
        params=flatten(read_yaml(params)),
        facts={"git commit": revision},
        data_sha256=read_data_sha256(into),
    )


def _fetch(files: object, path: Path, to: Path) -> None:
    """Copy a file of a revision; one that neither the cache nor a remote holds is left out."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        to.write_bytes(files.read_bytes(path.as_posix()))  # type: ignore[attr-defined]
    except OSError:
        to.unlink(missing_ok=True)


def _branches_and_tags() -> list[str]:
    return git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags").splitlines()


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.5)
    hint = f", did you mean {' or '.join(map(repr, near))}?" if near else ";"
    return f"experiment {name!r} is unknown{hint} see `ganpipe ui` and `dvc exp show` for names"
