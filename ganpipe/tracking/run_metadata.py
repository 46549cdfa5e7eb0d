"""The name, params, tags and description of a new run, its diff of the code, and the facts read back from its tags."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
from collections.abc import Container, Mapping, Sequence
from importlib.metadata import version

from ganpipe import __version__, paths
from ganpipe.config import Params, flatten
from ganpipe.identity import Identity
from ganpipe.machine import cpu_name, cpu_threads
from ganpipe.tracking.entries import clean_key
from ganpipe.words import masked

CODE = ("ganpipe", "stages", "dvc.yaml", "pyproject.toml")
"""Files and folders of code. Without params.yaml and dvc.lock: DVC itself changes both in every experiment."""

CHANGED = ", with changes to the code"
"""Printed behind a commit when the code differed from it."""

RECIPE_FILES = (paths.PARAMS, paths.PIPELINE, paths.LOCK)
"""The files that make an experiment again, together with the code. Every run holds them in `RECIPE_FOLDER`."""

RECIPE_FOLDER = "pipeline"

CODE_DIFF = "code.diff"
"""The file of a run with the changes of the code against its commit."""

_FILES_NAMED = 3  # in the description of a run
_LONGEST_PARAM = 6000  # characters, MLflow's limit
COMMIT = "mlflow.source.git.commit"
"""The tag with the commit of the code."""

_FACTS = {"ganpipe.version": "ganpipe", "ganpipe.python": "python", "ganpipe.torch": "torch", COMMIT: "git commit"}
_FACTS |= {"ganpipe.cpu": "CPU", "ganpipe.threads": "CPU threads"}  # another CPU or number of them rounds otherwise


PARENT, SWEEP, GROUP = "GANPIPE_SWEEP_PARENT", "GANPIPE_SWEEP_NAME", "GANPIPE_SWEEP_GROUP"
"""Environment variables of a trial of a sweep: the id of the sweep's run, its name, that of all seeds of the trial."""

_SWEEP_TAGS = {"mlflow.parentRunId": PARENT, "ganpipe.sweep": SWEEP, "ganpipe.group": GROUP}


def run_params(params: Params) -> dict[str, str]:
    """Return the parameters that decide a result and are not blank, with dotted keys, passwords masked.

    Everything but text is written as JSON.
    """
    flat = flatten(params.model_dump(mode="json", exclude={"runtime"}))
    told = {key: value for key, value in flat.items() if value is not None}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    return {clean_key(key): masked(text)[:_LONGEST_PARAM] for key, text in texts.items()}


def run_name(params: Params, identity: Identity, names: Sequence[str], attempt: int) -> str:
    """Return the first name in DVC, else a name of system and fingerprint; later attempts have a number."""
    name = names[0] if names else f"repro-{params.system.name}-{identity.experiment[:6]}"
    return name if attempt == 1 else f"{name}-{attempt}"


def experiment_name() -> str | None:
    """Return the name under which DVC runs this experiment, None in a plain `dvc repro`."""
    return os.environ.get("DVC_EXP_NAME") or None


def run_tags(stage: str, params: Params, identity: Identity, dirty: bool, names: Sequence[str]) -> dict[str, str]:
    """Return the tags of a new run, except those that number its attempts, and its description.

    `dirty`: the code differs from HEAD. `names`: those of the experiment in DVC.
    """
    commit = git("rev-parse", "HEAD").strip()
    baseline = os.environ.get("DVC_EXP_BASELINE_REV") or commit
    tags = {
        "ganpipe.key": identity.experiment,
        "ganpipe.train_key": identity.train,
        "ganpipe.data_sha256": identity.data,
        "ganpipe.version": __version__,
        "ganpipe.host": host(),
        "ganpipe.python": platform.python_version(),
        "ganpipe.torch": version("torch"),
        "ganpipe.cpu": cpu_name(),
        "ganpipe.threads": str(cpu_threads(params.runtime)),
        "dvc.exp.name": names[0] if names else "",
        "dvc.exp.names": json.dumps(list(names)),
        "dvc.exp.baseline": baseline,
        "git.dirty_code": json.dumps(dirty),
        "mlflow.source.name": f"stages.{stage}",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": user(),
        COMMIT: commit,
        **{tag: os.environ.get(variable, "") for tag, variable in _SWEEP_TAGS.items()},
    }
    return {key: value for key, value in tags.items() if value}


def run_facts(tags: Mapping[str, str], metrics: Container[str]) -> dict[str, str]:
    """Return versions, commit, CPU and device of a run, from its tags and the names of its metrics."""
    facts = {title: tags[tag] for tag, title in _FACTS.items() if tag in tags}
    if COMMIT in tags and tags.get("git.dirty_code") == "true":
        facts["git commit"] += CHANGED
    measured = [kind for kind in ("gpu", "cpu") if f"memory/peak_{kind}_mib" in metrics]  # the CPU's is always there
    return facts | ({"device": measured[0].upper()} if measured else {})


def host() -> str:
    """Return the name of this machine. A run carries it as a tag, so that other machines do not judge its process."""
    return platform.node()


def user() -> str:
    """Return the name of who runs this, empty where the machine knows none; the UI shows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container that runs under a number
        return ""


def code_diff(commit: str = "HEAD") -> str:
    """Return the diff of the code here against a commit, new files included; empty also where there is no git."""
    if not git("rev-parse", commit):
        return ""
    new = git("ls-files", "--others", "--exclude-standard", "--", *CODE).splitlines()
    additions = [git("diff", "--no-index", "--", os.devnull, path, accept=(0, 1)) for path in new]
    return git("diff", commit, "--", *CODE) + "".join(additions)


def git(*arguments: str, accept: Sequence[int] = (0,)) -> str:
    """Return what git prints; an empty text where there is no git, no repository or no commit."""
    try:
        command = ["git", "-c", "core.quotepath=off", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return done.stdout if done.returncode in accept else ""


def note(params: Params, names: Sequence[str], run_id: str) -> str:
    """Return the description of a run, in Markdown: what it is, and the command that makes it again from here."""
    again = f"`ganpipe reproduce {run_id[:8]}`"
    commit = git("rev-parse", "HEAD").strip()[:12]
    changed = [line[3:] for line in git("status", "--porcelain", "--", *CODE, str(paths.PARAMS)).splitlines()]
    if names:
        how = f"`dvc exp apply {names[0]}`, then `dvc repro`; without the experiment {again}"
    elif not commit:
        how = again
    elif changed:
        differing = ", ".join(changed[:_FILES_NAMED]) + (", ..." if len(changed) > _FILES_NAMED else "")
        how = f"{again}; git has commit {commit}, but this run had changes in {differing}"
    else:
        how = f"`git checkout {commit}`, then `dvc repro`; or {again}"
    return f"**{params.system.name}** on **{params.data.name}**\n\nReproduce: {how}."
