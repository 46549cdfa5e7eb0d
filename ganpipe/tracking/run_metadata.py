"""How a row introduces itself: its name, parameters, tags, note, the code it ran with; and what its tags tell later."""

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
"""What counts as code. Not params.yaml or dvc.lock: DVC itself changes both in every experiment."""

CHANGED = ", with changes to the code"
"""What a page says behind a commit that is not all of the code."""

_LONGEST_PARAM = 6000  # characters, MLflow's limit
_COMMIT = "mlflow.source.git.commit"
_FACTS = {"ganpipe.version": "ganpipe", "ganpipe.python": "python", "ganpipe.torch": "torch", _COMMIT: "git commit"}


def row_params(params: Params) -> dict[str, str]:
    """Return all parameters with dotted keys; everything but text is written as JSON."""
    flat = flatten(params.model_dump(mode="json"))
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat.items()}
    return {clean_key(key): text[:_LONGEST_PARAM] for key, text in texts.items()}


def row_name(params: Params, identity: Identity, attempt: int) -> str:
    """Return the experiment's name in DVC, or a name made of system and key; later attempts are numbered."""
    name = experiment_name() or f"repro-{params.system.name}-{identity.experiment[:6]}"
    return name if attempt == 1 else f"{name}-{attempt}"


def experiment_name() -> str | None:
    """Return the name under which DVC runs this experiment, None in a plain `dvc repro`."""
    return os.environ.get("DVC_EXP_NAME") or None


def row_tags(stage: str, params: Params, identity: Identity, dirty: bool) -> dict[str, str]:
    """Return the tags of a new row, except for what only the table of rows knows; `dirty`: the code is not HEAD's."""
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


def row_facts(tags: Mapping[str, str], metrics: Container[str]) -> dict[str, str]:
    """Return what the tags and the names of the metrics of a row say of the environment that it was computed in."""
    facts = {title: tags[tag] for tag, title in _FACTS.items() if tag in tags}
    if _COMMIT in tags and tags.get("git.dirty_code") == "true":
        facts["git commit"] += CHANGED
    measured = [kind for kind in ("gpu", "cpu") if f"memory/peak_{kind}_mib" in metrics]  # the CPU's always
    return facts | ({"device": measured[0].upper()} if measured else {})


def host() -> str:
    """Return the name of this machine, by which a row says where its process lives."""
    return platform.node()


def code_diff() -> str:
    """Return how the code here differs from the commit HEAD, new files included; empty also where there is no git."""
    if not git("rev-parse", "HEAD"):
        return ""
    new = git("ls-files", "--others", "--exclude-standard", "--", *CODE).splitlines()
    additions = [git("diff", "--no-index", "--", os.devnull, path, accept=(0, 1)) for path in new]
    return git("diff", "HEAD", "--", *CODE) + "".join(additions)


def git(*arguments: str, accept: Sequence[int] = (0,)) -> str:
    """Return what git prints, or nothing where there is no git, no repository or no commit."""
    try:
        command = ["git", "-c", "core.quotepath=off", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return done.stdout if done.returncode in accept else ""


def _note(params: Params, name: str | None, baseline: str) -> str:
    """Markdown, shown as the description of the row."""
    if name:
        how = f"`dvc exp apply {name}`, then `dvc repro`"
    else:
        how = f"`git checkout {baseline[:12]}`, then `dvc repro`" if baseline else "`dvc repro`"
    return f"**{params.system.name}** on **{params.data.name}**\n\nReproduce: {how}."
