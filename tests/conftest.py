"""Fixtures of all tests: one torch thread, and workspaces with really packed data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"

import pytest
import raw_files
import torch

from ganpipe import paths, recipes
from ganpipe.config import Data, Params, load_params
from ganpipe.data.fetch import download
from ganpipe.data.packing import pack

SMALL_RAW_FILES = {  # of sets that must be downloaded, in their real layout
    "cifar10": lambda folder: raw_files.write_cifar(folder, per_file=40),
    "fashion-mnist": lambda folder: raw_files.write_idx(folder, "fashion-mnist", counts=(200, 20)),
    "flowers": lambda folder: raw_files.write_flowers(folder, per_class=20),
    "mnist": lambda folder: raw_files.write_idx(folder, "mnist", counts=(200, 20)),
}
REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Two torch threads on a busy machine make small convolutions many times slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def packed_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that packs a data set once per session and returns the folder with its data.h5."""
    root = tmp_path_factory.mktemp("packed")

    def packed(name: str) -> Path:
        if not (root / name).exists():
            raw = root / "raw" / name
            data = Data(name=name, verify=False)
            if name in SMALL_RAW_FILES:
                SMALL_RAW_FILES[name](raw)
            else:
                download(data, raw)
            pack(data, raw, root / name)
        return root / name

    return packed


@pytest.fixture
def workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed_folder: Callable[[str], Path]
) -> Callable[[str], Params]:
    """Return a function that makes the current folder a workspace with a recipe, its packed data and the pipeline."""

    def use(recipe: str) -> Params:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("DVC_ROOT", raising=False)
        (tmp_path / ".dvc").mkdir(exist_ok=True)
        recipes.use(recipe, paths.PARAMS, force=True)
        params = load_params(paths.PARAMS)
        shutil.copytree(packed_folder(params.data.name), paths.PACKED, dirs_exist_ok=True)
        return params

    return use
