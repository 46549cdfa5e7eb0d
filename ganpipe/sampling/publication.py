"""The two files of a published generator, read and verified without torch: its weights and what describes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ganpipe.errors import CheckpointError
from ganpipe.files import read_sealed

FORMAT = "ganpipe/generator/3"
UNSEALED = "ganpipe/generator/2"
"""The format before, whose description holds no SHA-256 of itself; it is read as well."""
DESCRIPTION = "generator.json"
WEIGHTS = "generator.safetensors"

_KEYS = {"system": dict, "data": dict, "sha256": str, "frozen": dict, "train_fingerprint": str}


def folder_of(path: Path) -> Path:
    """Return the folder of a published generator, given it or one of its two files."""
    return path if path.is_dir() else path.parent


def read_description(folder: Path) -> dict[str, Any]:
    """Return the description of the generator in a folder. Raises `CheckpointError` where there is none."""
    path = folder / DESCRIPTION
    try:
        description = read_sealed(path, UNSEALED)
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such file; run `dvc repro train`, or `dvc checkout` to bring it back"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not the description of a generator ({error}); run `dvc checkout`") from None
    if description.get("format") not in (FORMAT, UNSEALED) or not _is_complete(description):
        raise CheckpointError(f"{path}: not of format {FORMAT!r}; run `dvc repro --force train` to write it anew")
    return description


def _is_complete(description: dict[str, Any]) -> bool:
    typed = all(isinstance(description.get(key), kind) for key, kind in _KEYS.items())
    return typed and isinstance(description["system"].get("name"), str)


def read_weights(folder: Path, sha256: str) -> bytes:
    """Return the weights in a folder as safetensors. Raises `CheckpointError` where they are not those of `sha256`."""
    path = folder / WEIGHTS
    try:
        weights = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such file; run `dvc repro train`, or `dvc checkout` to bring it back"
        ) from None
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise CheckpointError(f"{path}: damaged, or not the weights that generator.json describes; run `dvc checkout`")
    return weights
