"""Fingerprints of an experiment: of its data, of its training, and of the whole.

Everything that may change a result enters, and nothing else: not `runtime`, not comments or the order of keys in
params.yaml, not the time, the machine or the git commit. Code enters as the files that dvc.yaml names as dependencies
of the `train` stage, and as the networks and losses that the file of the system imports. So DVC and ganpipe agree on
when a training is another one. A file that the training does not use (another system with its networks, a recipe, the
version of ganpipe) never separates an interrupted training from its checkpoint.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ganpipe import paths
from ganpipe.config import Params, flatten, read_yaml
from ganpipe.errors import ConfigError, DataError

_CODE_FOLDERS = ("ganpipe", "stages")
_NETWORKS = ("ganpipe.losses.", "ganpipe.nets.")


@dataclass(frozen=True)
class Identity:
    """Hexadecimal sha256 fingerprints; each contains the one before."""

    data: str  # content of the packed data
    family: str  # data and all that decides the weights but `train.kimg`; a longer training continues a shorter one
    train: str  # data and all that decides the weights; the training stage adds the hashes of frozen networks
    experiment: str  # training, sampling and evaluation; MLflow runs are found by it


def identify_workspace(params: Params) -> Identity:
    """Identify the experiment of the current folder: `params` on its packed data. Raises `DataError`, `ConfigError`."""
    return identify(params, packed_sha256(), start_sha256() if params.train.start_from is not None else None)


def identify(params: Params, data_sha256: str, start: str | None = None) -> Identity:
    """Identify the experiment that `params` makes of packed data with this content hash. Raises `ConfigError`.

    `start` is the sha256 of the weights that the training begins with, if these are not random. It stands for
    `train.start_from`: the same weights from another place make the same training.
    """
    content = params.model_dump(mode="json")
    schedule = {key: value for key, value in content["train"].items() if key != "start_from"}
    decides = {
        "data": data_sha256,
        "flip": content["data"]["flip"],
        "jitter": content["data"]["jitter"],
        "system": content["system"],
        "train": schedule,
        "code": code_digest("train", content),
        "networks": networks_digest(content["system"]["name"]),
        "torch": version("torch"),
    } | ({"start": start} if start is not None else {})
    train = fingerprint(decides)
    family = fingerprint({**decides, "train": {key: schedule[key] for key in schedule if key != "kimg"}})
    sections = {name: content[name] for name in ("data", "sample", "evaluate")}
    return Identity(data_sha256, family, train, experiment=fingerprint({"train": train, **sections}))


def start_sha256(note: Path = paths.START_NOTE) -> str:
    """Return the sha256 of the weights to begin with, which the stage `check` has noted. Raises `DataError`."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found is None:
        raise DataError(f"{note}: names no weights, but train.start_from is set; run `dvc repro --force check`")
    return str(found)


def packed_sha256(manifest: Path = paths.MANIFEST) -> str:
    """Return the content hash that the `pack` stage left in its manifest. Raises `DataError`."""
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["content_sha256"])
    except FileNotFoundError:
        raise DataError(f"{manifest}: no such file; run `dvc repro pack`") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{manifest}: no content_sha256 in it; run `dvc repro --force pack`") from None


def code_digest(stage: str, params: Mapping[str, Any], pipeline: Path = paths.PIPELINE) -> str:
    """Return the sha256 over the code that `pipeline` names as dependencies of `stage`. Raises `ConfigError`.

    `${section.key}` in a dependency is the value of that key in `params`. Of folders, the Python files in them count.
    Names and contents enter, in the order of the names.
    """
    root = pipeline.parent
    return _digest({path.relative_to(root).as_posix(): path for path in _code_files(stage, params, pipeline)})


def networks_digest(system: str, root: Path = Path()) -> str:
    """Return the sha256 over the networks and losses that the file of a system imports, directly or through others.

    Names and contents enter, in the order of the names. The stage `check` writes it to data/params.checked, of which
    the stages that build the system depend. Raises `ConfigError` if the file of the system is missing.
    """
    first = root / "ganpipe" / "systems" / f"{system}.py"
    if not first.is_file():
        raise ConfigError(f"{first}: no such file, but params.yaml has system.name = {system!r}")
    found: set[Path] = set()
    waiting = [first]
    while waiting:
        new = set(_networks_imported_by(waiting.pop(), root)) - found
        found |= new
        waiting += new
    return _digest({path.relative_to(root).as_posix(): path for path in found})


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the sha256 of canonical JSON: sorted keys, no spaces, no NaN, and 10.0 is the same as 10."""
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _networks_imported_by(file: Path, root: Path) -> Iterator[Path]:
    """Yield the files of `ganpipe.nets` and `ganpipe.losses` that a Python file imports."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                path = root.joinpath(*name.split(".")).with_suffix(".py")
                if name.startswith(_NETWORKS) and path.is_file():
                    yield path


def _canonical(value: Any) -> Any:
    """DVC does not rerun a stage for 10 -> 10.0, so it must not become another experiment either."""
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _code_files(stage: str, params: Mapping[str, Any], pipeline: Path) -> Iterator[Path]:
    for dep in _code_deps(stage, params, pipeline):
        path = pipeline.parent / dep
        if path.is_dir():
            yield from (file for file in path.rglob("*.py") if not _is_cache(file.relative_to(path)))
        elif path.is_file():
            yield path
        else:
            raise ConfigError(f"{pipeline}: stage {stage!r} depends on {dep}, which does not exist")


def _code_deps(stage: str, params: Mapping[str, Any], pipeline: Path) -> list[str]:
    """Return the deps of a stage that are code; a dep may be written as a mapping with its path as the only key."""
    if not pipeline.is_file():
        raise ConfigError(f"{pipeline}: no such file; run from the folder that holds it")
    stages = read_yaml(pipeline).get("stages") or {}
    if stage not in stages:
        raise ConfigError(f"{pipeline}: no stage {stage!r}; it has {', '.join(stages) or 'none'}")
    written = [next(iter(dep)) if isinstance(dep, dict) else str(dep) for dep in stages[stage].get("deps") or ()]
    deps = [_expanded(dep, params, pipeline) for dep in written]
    return [dep for dep in deps if Path(dep).parts[:1] and Path(dep).parts[0] in _CODE_FOLDERS]


def _expanded(dep: str, params: Mapping[str, Any], pipeline: Path) -> str:
    """Replace each `${section.key}` by its value in `params`, as DVC does."""
    flat = flatten(params)

    def value(found: re.Match[str]) -> str:
        if found[1] not in flat:
            raise ConfigError(f"{pipeline}: {dep} needs {found[1]}, which params.yaml does not have")
        return str(flat[found[1]])

    return re.sub(r"\$\{([^}]+)\}", value, dep)


def _is_cache(relative: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
