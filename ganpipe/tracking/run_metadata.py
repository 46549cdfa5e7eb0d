"""The name, params, tags and description of a new run, its diff of the code, and the facts read back from its tags."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Container, Mapping, Sequence
from importlib.metadata import version

from ganpipe import __version__
from ganpipe.config import Params, flatten
from ganpipe.identity import Identity
from ganpipe.tracking.entries import clean_key

CODE = ("ganpipe", "stages", "dvc.yaml", "pyproject.toml")
"""Files and folders of code. Without params.yaml and dvc.lock: DVC itself changes both in every experiment."""

CHANGED = ", with changes to the code"
"""Printed behind a commit when the code differed from it."""

_LONGEST_PARAM = 6000  # characters, MLflow's limit
_COMMIT = "mlflow.source.git.commit"
_FACTS = {"ganpipe.version": "ganpipe", "ganpipe.python": "python", "ganpipe.torch": "torch", _COMMIT: "git commit"}


def run_params(params: Params) -> dict[str, str]:
    """Return all parameters with dotted keys; everything but text is written as JSON."""
    flat = flatten(params.model_dump(mode="json"))
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat.items()}
    return {clean_key(key): text[:_LONGEST_PARAM] for key, text in texts.items()}


def run_name(params: Params, identity: Identity, attempt: int) -> str:
    """Return the experiment's name in DVC, else a name of system and fingerprint; later attempts have a number."""
    name = experiment_name() or f"repro-{params.system.name}-{identity.experiment[:6]}"
    return name if attempt == 1 else f"{name}-{attempt}"


def experiment_name() -> str | None:
    """Return the name under which DVC runs this experiment, None in a plain `dvc repro`."""
    return os.environ.get("DVC_EXP_NAME") or None


def run_tags(stage: str, params: Params, identity: Identity, dirty: bool) -> dict[str, str]:
    """Return the tags of a new run, except those that number its attempts; `dirty`: the code differs from HEAD."""
    name, commit = experiment_name(), git("rev-parse", "HEAD").strip()
    baseline = os.environ.get("DVC_EXP_BASELINE_REV") or commit
    tags = {
        "ganpipe.key": identity.experiment,
        "ganpipe.train_key": identity.train,
        "ganpipe.data_sha256": identity.data,
        "ganpipe.version": __version__,
        "ganpipe.host": host(),
        "ganpipe.python": platform.python_version(),
        "ganpipe.torch": version("torch"),
        "dvc.exp.name": name or "",
        "dvc.exp.names": json.dumps([name] if name else []),
        "dvc.exp.baseline": baseline,
        "git.dirty_code": json.dumps(dirty),
        "mlflow.source.name": f"stages.{stage}",
        "mlflow.source.type": "LOCAL",
        _COMMIT: commit,
        "mlflow.note.content": _note(params, name, baseline),
    }
    return {key: value for key, value in tags.items() if value}


def run_facts(tags: Mapping[str, str], metrics: Container[str]) -> dict[str, str]:
    """Return versions, commit and device of a run, from its tags and the names of its metrics."""
    facts = {title: tags[tag] for tag, title in _FACTS.items() if tag in tags}
    if _COMMIT in tags and tags.get("git.dirty_code") == "true":
        facts["git commit"] += CHANGED
    measured = [kind for kind in ("gpu", "cpu") if f"memory/peak_{kind}_mib" in metrics]  # the CPU's is always there
    return facts | ({"device": measured[0].upper()} if measured else {})


def host() -> str:
    """Return the name of this machine. A run carries it as a tag, so that other machines do not judge its process."""
    return platform.node()


def code_diff() -> str:
    """Return the diff of the code here against HEAD, new files included; empty also where there is no git."""
    if not git("rev-parse", "HEAD"):
        return ""
    new = git("ls-files", "--others", "--exclude-standard", "--", *CODE).splitlines()
    additions = [git("diff", "--no-index", "--", os.devnull, path, accept=(0, 1)) for path in new]
    return git("diff", "HEAD", "--", *CODE) + "".join(additions)


def git(*arguments: str, accept: Sequence[int] = (0,)) -> str:
    """Return what git prints; an empty text where there is no git, no repository or no commit."""
    try:
        command = ["git", "-c", "core.quotepath=off", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return done.stdout if done.returncode in accept else ""


def _note(params: Params, name: str | None, baseline: str) -> str:
    """Return the description of the run, in Markdown."""
    if name:
        how = f"`dvc exp apply {name}`, then `dvc repro`"
    else:
        how = f"`git checkout {baseline[:12]}`, then `dvc repro`" if baseline else "`dvc repro`"
    return f"**{params.system.name}** on **{params.data.name}**\n\nReproduce: {how}."
