"""Fixtures of all tests: one torch thread, and workspaces with really packed data."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
os.environ["DVC_TEST"] = "true"  # else every `dvc` command starts a process that asks for updates

import emoji_files
import pytest
import raw_files
import torch
from miniatures import offline, small_pictures
from once import made_once, shared_folder
from trained import trained  # noqa: F401  a fixture is found where it is imported
from xdist.scheduler import LoadScopeScheduling

from ganpipe import paths, recipes
from ganpipe.config import Data, Params, load_params
from ganpipe.data.catalogue.emoji import EMOJI_SETS
from ganpipe.data.catalogue.translation import TRANSLATION
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack

SMALL_RAW_FILES = {  # of sets that nobody has who only cloned this, in their real layout; some images of every class
    "celeba": lambda folder: raw_files.write_celeba(folder, count=90),
    "cifar10": lambda folder: raw_files.write_cifar(folder, per_file=40),
    "fashion-mnist": lambda folder: raw_files.write_idx(folder, "fashion-mnist", counts=(200, 20)),
    "div2k": lambda folder: raw_files.write_div2k(folder, counts=(8, 3)),
    "photographs-painting": raw_files.write_photographs_and_painting,
    "style_folders": lambda folder: raw_files.write_style_folders(folder, counts=(16, 2)),
    "music_folder": lambda folder: raw_files.write_music(folder, count=20),
    "photo_tiles": lambda folder: raw_files.write_photographs(folder, count=16),
    "flowers": lambda folder: raw_files.write_flowers(folder, per_class=20),
    "folder": lambda folder: raw_files.write_own_pictures(folder, count=60),
    "fashion-edges": lambda folder: raw_files.write_idx(folder, "fashion-edges", counts=(200, 20)),
    "mnist": lambda folder: raw_files.write_idx(folder, "mnist", counts=(200, 20)),
    "paired_folders": lambda folder: raw_files.write_two_folders(folder, "paired_folders", paired=True),
    "unpaired_folders": lambda folder: raw_files.write_two_folders(folder, "unpaired_folders", paired=False),
    **{name: partial(raw_files.write_translation, name=name, paired=True) for name in ("facades", "maps")},
    **{one.name: partial(raw_files.write_translation, name=one.name, paired=False) for one in TRANSLATION[2:]},
    **{one.name: partial(emoji_files.write_raw, name=one.name) for one in EMOJI_SETS},
}
REPOSITORY = Path(__file__).parent.parent

LONGEST = ("acts/test_pipeline.py", "acts/test_dependencies.py", "acts/test_datasets.py", "test_documentation.py")
"""Files that take the most time, the longest first: they start first, so that no worker is left alone with one."""

DIVISIBLE = (
    "acts/test_recipes.py",
    "training/test_exactness.py",
    "training/test_golden.py",
    "test_shapes.py",
    "systems/test_every_option.py",
)
"""Files whose tests may run in different workers, since they share what takes time through files. They come last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and those whose tests fill the time of idle workers last."""
    order = {name: place for place, name in enumerate(LONGEST, -len(LONGEST))}
    order |= {name: place for place, name in enumerate(DIVISIBLE, 1)}
    items.sort(key=lambda item: order.get(item.path.relative_to(REPOSITORY / "tests").as_posix(), 0))


class ByFile(LoadScopeScheduling):
    """Gives every file to one worker, but the divisible ones test by test."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].removeprefix("tests/")
        return nodeid if file in DIVISIBLE else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Tell pytest-xdist how to share the tests among its workers."""
    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Two torch threads on a busy machine make small convolutions many times slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def packed_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Data], Path]:
    """Return a function that packs data once per test run as params ask for it, and returns the folder."""
    root = shared_folder(tmp_path_factory, "packed")

    def raw(data: Data) -> Path:
        write = SMALL_RAW_FILES.get(data.name, lambda folder: download(data, folder))
        return made_once(root / f"raw-{data.name}", write)

    def packed(data: Data) -> Path:
        name, unverified = hashlib.sha256(data.model_dump_json().encode()).hexdigest(), {"verify": False}
        return made_once(root / name, lambda folder: pack(data.model_copy(update=unverified), raw(data), folder, 1))

    return packed


@pytest.fixture
def workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed_folder: Callable[[Data], Path]
) -> Callable[[str], Params]:
    """Return a function that makes the current folder a workspace with a recipe, its packed data and the pipeline."""

    def use(recipe: str) -> Params:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("DVC_ROOT", raising=False)
        (tmp_path / ".dvc").mkdir(exist_ok=True)
        recipes.use(recipe, paths.PARAMS, force=True)
        params = offline(small_pictures(load_params(paths.PARAMS)))
        shutil.copytree(packed_folder(params.data), paths.PACKED, dirs_exist_ok=True)
        return params

    return use
