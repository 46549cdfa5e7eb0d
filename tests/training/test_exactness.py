"""The same params give the same bytes, interrupted or not: for every system of the table with each of its networks."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from miniatures import changed, miniature, start_training, train

from ganpipe import paths, recipes, systems
from ganpipe.config import Params, load_params

PARTS = ("name", "network", "discriminator", "condition", "separate_steps", "spectral_norm", "augment")
"""Options of systems that decide which code a training runs; those that only change numbers are left out."""


def one_recipe_per(*options: str) -> list[str]:
    """Return the first recipe of each combination of values that these options of systems have."""
    found: dict[str, str] = {}
    for name in recipes.names():
        system = load_params(recipes.path_of(name)).system
        values = {"name": system.name, **system.options}
        found.setdefault(str([values.get(option) for option in options]), name)
    return list(found.values())


def published() -> dict[str, str]:
    """The hash of every file that training leaves behind."""
    files = [*paths.MODEL.iterdir(), *paths.PREVIEWS.iterdir(), paths.HISTORY, paths.FINDINGS, paths.CURVES]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def kill_when(process: subprocess.Popen[str], saved: Callable[[], bool]) -> None:
    while not saved():
        assert process.poll() is None, "training ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_the_recipes_use_every_system() -> None:
    used = {load_params(recipes.path_of(name)).system.name for name in one_recipe_per(*PARTS)}
    assert used == set(systems.SYSTEMS)


@pytest.mark.parametrize("recipe", one_recipe_per(*PARTS))
def test_repeated_or_killed_and_resumed_training_gives_the_same_bytes(
    recipe: str, workspace: Callable[[str], Params]
) -> None:
    params = miniature(workspace(recipe))
    train(params, "once")
    once = published()
    assert {"generator.safetensors", "generator.json", "history.csv", "findings.json", "curves.png"} < once.keys()

    train(params, "fingerprint-of-the-repeat")
    repeated = published()
    assert repeated.pop("generator.json") != once.pop("generator.json")  # it names the fingerprint
    assert repeated == once

    often = changed(params, runtime={"checkpoint_seconds": 1e-6})  # a checkpoint after every iteration
    folder = Path(".ganpipe/checkpoints/fingerprint")
    first = start_training(often, "fingerprint")
    kill_when(first, lambda: (folder / "previous.pt").exists())
    assert not finished(folder, params)
    second = start_training(often, "fingerprint")
    out, _ = second.communicate()
    assert second.returncode == 0
    assert "Resuming at" in out
    resumed = published()
    resumed.pop("generator.json")
    assert resumed == once


def finished(folder: Path, params: Params) -> bool:
    newest = next(path for path in (folder / "last.pt", folder / "previous.pt") if path.exists())
    return torch.load(newest, weights_only=True)["nimg"] >= params.train.kimg * 1000


@pytest.mark.parametrize("recipe", one_recipe_per("name"))
def test_another_seed_gives_another_generator(recipe: str, workspace: Callable[[str], Params]) -> None:
    params = miniature(workspace(recipe))
    train(params, "a")
    first = json.loads((paths.MODEL / "generator.json").read_text())["sha256"]
    train(changed(params, train={"seed": 1}), "b")
    assert json.loads((paths.MODEL / "generator.json").read_text())["sha256"] != first
