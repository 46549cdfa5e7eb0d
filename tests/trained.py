"""Trainings that tests share: each is done once per test run, by the first process that asks for it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from miniatures import train
from once import made_once, shared_folder

from ganpipe import paths
from ganpipe.config import Params

FINGERPRINT = "fingerprint"
"""What every shared training is called: it names the folder of its checkpoint and stands in generator.json."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Params], None]:
    """Return a function that leaves in the current workspace what `train(params, FINGERPRINT)` would leave there.

    Trainings on the same packed data with the same sections data, system and train are one. Tests that listen to a
    training, read what it prints, or replace parts of it have to train themselves.
    """
    root = shared_folder(tmp_path_factory, "trained")

    def bring(params: Params) -> None:
        data = json.loads(paths.MANIFEST.read_text())["content_sha256"]
        asked = params.model_dump_json(include={"data", "system", "train"})
        done = root / hashlib.sha256(f"{data} {asked}".encode()).hexdigest()[:16]
        made_once(done, lambda folder: _train(params, paths.PACKED.resolve(), folder))
        shutil.copytree(done, Path.cwd(), dirs_exist_ok=True)

    return bring


def _train(params: Params, packed: Path, folder: Path) -> None:
    """Train in a new workspace, and leave there what the training made."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / paths.PACKED).parent.mkdir()
    (folder / paths.PACKED).symlink_to(packed)
    with contextlib.chdir(folder):
        train(params, FINGERPRINT)
    (folder / paths.PACKED).unlink()


def published() -> dict[str, str]:
    """The hash of every file that training leaves behind."""
    files = [*paths.MODEL.iterdir(), *paths.PREVIEWS.iterdir(), paths.HISTORY, paths.FINDINGS, paths.CURVES]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
