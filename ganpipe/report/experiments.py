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
from ganpipe.params import load
from ganpipe.report.provenance import environment
from ganpipe.report.read_files import read_data_sha256
from ganpipe.tracking.api import find_runs, run_names, run_of_workspace
from ganpipe.tracking.experiment import Experiment, recorded_by
from ganpipe.tracking.run_metadata import git, run_facts

WORKSPACE = "workspace"
"""The name of the current folder among experiments, as in DVC."""

NOW = "now, when this page was written"
"""Who recorded the facts of a workspace that has no row."""

_DATA = paths.HISTORY.parent
_READ = (paths.HISTORY, paths.METRICS, paths.FINDINGS, paths.MANIFEST)
_NEEDED = ("data.name", "system.name")  # params that a page calls an experiment by


def workspace() -> Experiment:
    """Return what the stages left in the current folder, with the facts of its MLflow row, if there is one.

    Raises `DataError` where the stages left nothing at all, or for params that are none of ganpipe; `ConfigError`.
    """
    proofs = (paths.HISTORY, paths.METRICS, *paths.PREVIEWS.glob("*.png"), *paths.SAMPLES.glob("*.png"))
    if not any(path.is_file() for path in proofs):
        raise DataError("nothing to report yet: no stage has left curves, pictures or scores here; run `dvc repro`")
    facts, recorded = _facts_of_workspace()
    experiment = Experiment(
        name=WORKSPACE,
        origin="the current folder",
        folder=_DATA,
        params=flatten(read_yaml(paths.PARAMS)),
        facts=facts,
        recorded=recorded,
        data_sha256=read_data_sha256(_DATA),
    )
    return _checked(experiment)


def find(names: Sequence[str], into: Path) -> list[Experiment]:
    """Return the experiments of these names, their files copied to folders below `into`.

    A name is looked for as `workspace`, then as a row of MLflow, then as an experiment of DVC or a revision of git. An
    MLflow that is out of reach costs one line on stderr. Raises `ConfigError` for a name that nothing has, `DataError`
    for one whose params are none of ganpipe.
    """
    rows: dict[str, Experiment] = {}
    known: list[str] = []
    try:
        rows = find_runs([name for name in names if name != WORKSPACE], into)
        known = run_names() if set(names) - set(rows) else []
    except DataError:
        raise
    except GanpipeError as error:
        print(f"{error}: looking at DVC and git alone", file=sys.stderr, flush=True)
    return [_checked(rows[name]) if name in rows else _find_elsewhere(name, into, known) for name in names]


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
    experiment = Experiment(
        name=name,
        origin=origin,
        folder=into,
        params=flatten(read_yaml(params)),
        facts={"git commit": revision},
        recorded="by git",
        data_sha256=read_data_sha256(into),
    )
    return _checked(experiment)


def _facts_of_workspace() -> tuple[dict[str, str], str]:
    """Return the facts that the row of the workspace recorded, else those of now, and which of both they are."""
    try:
        row = run_of_workspace(load())
    except GanpipeError:  # params without a row, files of which it has others, or an MLflow out of reach
        row = None
    return (run_facts(row.tags, row.metrics), recorded_by(row.name)) if row else (environment(), NOW)


def _checked(experiment: Experiment) -> Experiment:
    """Return the experiment. Raises `DataError` for one that a page has no name for."""
    if lacking := [key for key in _NEEDED if not isinstance(experiment.params.get(key), str)]:
        raise DataError(
            f"{experiment.name} ({experiment.origin}): its params have no {' and no '.join(lacking)}: "
            "it is no experiment of ganpipe; `ganpipe params check` says what a params.yaml lacks"
        )
    return experiment


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
