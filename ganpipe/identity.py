"""Which experiment this is: fingerprints of the data, of the training and of the whole experiment.

Everything that may change a result enters, nothing else does: not `runtime`, not comments or the order of keys in
params.yaml, not the time, the machine or the git commit. The code enters as the files that dvc.yaml names as
dependencies of the `train` stage, so that DVC and ganpipe agree on what makes a training another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ganpipe import paths
from ganpipe.config import Params, read_yaml
from ganpipe.errors import ConfigError, DataError

_CODE_FOLDERS = ("ganpipe", "stages")


@dataclass(frozen=True)
class Identity:
    """Hexadecimal sha256 fingerprints; each contains the one before."""

    data: str  # content of the packed data
    train: str  # and of all that decides the weights: names the checkpoint folder
    experiment: str  # and of how to sample and evaluate: the key of the MLflow row


def identify_workspace(params: Params) -> Identity:
    """Identify the experiment of the current folder: `params` on its packed data. Raises `DataError`, `ConfigError`."""
    return identify(params, packed_sha256())


def identify(params: Params, data_sha256: str) -> Identity:
    """Identify the experiment that `params` makes of packed data with this content hash. Raises `ConfigError`."""
    content = params.model_dump(mode="json")
    train = fingerprint(
        {
            "data": data_sha256,
            "flip": content["data"]["flip"],
            "system": content["system"],
            "train": content["train"],
            "code": code_digest("train"),
            "torch": version("torch"),
        }
    )
    sections = {name: content[name] for name in ("data", "sample", "evaluate")}
    return Identity(data=data_sha256, train=train, experiment=fingerprint({"train": train, **sections}))


def packed_sha256(manifest: Path = paths.MANIFEST) -> str:
    """Return the content hash that the `pack` stage left in its manifest. Raises `DataError`."""
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["content_sha256"])
    except FileNotFoundError:
        raise DataError(f"{manifest}: no such file; run `dvc repro pack`") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{manifest}: no content_sha256 in it; run `dvc repro --force pack`") from None


def code_digest(stage: str, pipeline: Path = paths.PIPELINE) -> str:
    """Return the sha256 over the Python files that `pipeline` names as dependencies of `stage`. Raises `ConfigError`.

    Folders count with everything below them. Names and contents enter, in the order of the names.
    """
    root = pipeline.parent
    files = {path.relative_to(root).as_posix(): path for path in _code_files(stage, pipeline)}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the sha256 of canonical JSON: sorted keys, no spaces, no NaN, and 10.0 is the same as 10."""
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """DVC does not rerun a stage for 10 -> 10.0, so it must not become another experiment either."""
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _code_files(stage: str, pipeline: Path) -> Iterator[Path]:
    for dep in _code_deps(stage, pipeline):
        path = pipeline.parent / dep
        if path.is_dir():
            yield from (file for file in path.rglob("*.py") if not _is_cache(file.relative_to(path)))
        elif path.is_file():
            yield path
        else:
            raise ConfigError(f"{pipeline}: stage {stage!r} depends on {dep}, which does not exist")


def _code_deps(stage: str, pipeline: Path) -> list[str]:
    """The deps of a stage that are code; a dep may be written as a mapping with its path as the only key."""
    if not pipeline.is_file():
        raise ConfigError(f"{pipeline}: no such file; run from the folder that holds it")
    stages = read_yaml(pipeline).get("stages") or {}
    if stage not in stages:
        raise ConfigError(f"{pipeline}: no stage {stage!r}; it has {', '.join(stages) or 'none'}")
    deps = [next(iter(dep)) if isinstance(dep, dict) else str(dep) for dep in stages[stage].get("deps") or ()]
    return [dep for dep in deps if Path(dep).parts[:1] and Path(dep).parts[0] in _CODE_FOLDERS]


def _is_cache(relative: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
