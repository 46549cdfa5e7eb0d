"""Finding experiments by name: the workspace, runs of MLflow, experiments of DVC, revisions of git."""

from __future__ import annotations

import difflib
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
from ganpipe.tracking.pipeline import dvc_experiments
from ganpipe.tracking.run_metadata import git, run_facts

WORKSPACE = "workspace"
"""The name of the current folder among experiments, as in DVC."""

NOW = "now, when this page was written"
"""When the facts of a workspace without an MLflow run were recorded."""

_DATA = paths.HISTORY.parent
_READ = (paths.HISTORY, paths.METRICS, paths.FINDINGS, paths.MANIFEST)
_NEEDED = ("data.name", "system.name")  # params that a page calls an experiment by


def workspace() -> Experiment:
    """Return the experiment of the current folder, with the facts of its MLflow run, if there is one.

    Raises `DataError` where the stages have left nothing, or where the params are not those of ganpipe; `ConfigError`.
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

    A name is looked for as `workspace`, then as a run of MLflow, then as an experiment of DVC or a revision of git. An
    MLflow that is out of reach costs one line on stderr. Raises `ConfigError` for an unknown name, `DataError`
    for an experiment whose params are not those of ganpipe.
    """
    runs: dict[str, Experiment] = {}
    known: list[str] = []
    try:
        runs = find_runs([name for name in names if name != WORKSPACE], into)
        known = run_names() if set(names) - set(runs) else []
    except DataError:
        raise
    except GanpipeError as error:
        print(f"{error}: looking at DVC and git alone", file=sys.stderr, flush=True)
    return [_checked(runs[name]) if name in runs else _find_elsewhere(name, into, known) for name in names]


def _find_elsewhere(name: str, into: Path, runs: Sequence[str]) -> Experiment:
    if name == WORKSPACE:
        return workspace()
    experiments = {one.name: one.commit for one in dvc_experiments()}
    revision = experiments.get(name) or git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    if not revision or name.startswith("-"):
        raise ConfigError(_unknown(name, [WORKSPACE, *runs, *experiments, *_branches_and_tags()]))
    origin = "DVC experiment" if name in experiments else "git revision"
    return read_revision(name, f"{origin} {revision[:8]}", revision, into / revision)


def read_revision(name: str, origin: str, revision: str, into: Path) -> Experiment:
    """Copy the results of a commit, from git or from DVC's cache, to `into`. A file that the cache lacks is left out.

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
    """Return the facts recorded by the run of the workspace, else those of now, and who recorded them."""
    try:
        run = run_of_workspace(load())
    except GanpipeError:  # params that no run can have, other files than those of the run, or an MLflow out of reach
        run = None
    return (run_facts(run.tags, run.metrics), recorded_by(run.name)) if run else (environment(), NOW)


def _checked(experiment: Experiment) -> Experiment:
    """Return the experiment. Raises `DataError` where its params lack a name that pages need."""
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
