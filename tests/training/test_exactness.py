"""The same params give the same bytes, interrupted or not: for every system of the table with each of its networks.

A training is killed for one recipe of every system. For the other recipes, whose state may differ, an error ends the
training, and the next one goes on from the checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from children import kill_when, started, wait_for
from miniatures import changed, miniature, one_recipe_per, train
from trained import FINGERPRINT, published

from ganpipe import paths, recipes, systems
from ganpipe.config import Params, load_params
from ganpipe.training.checkpoint import Checkpoints
from ganpipe.training.stage import Listeners

PARTS = ("name", "network", "discriminator", "condition", "separate_steps", "spectral_norm", "augment")
"""Options of systems that decide which code a training runs; those that only change numbers are left out."""

CHECKPOINTS = Path(".ganpipe/checkpoints")  # in a folder named by the fingerprint, and by frozen networks
AFTER_EVERY_ITERATION = {"checkpoint_seconds": 1e-6}

Workspace = Callable[[str], Params]
Trained = Callable[[Params], None]


ONE_PER_SYSTEM = one_recipe_per("name")
OTHERS = [recipe for recipe in one_recipe_per(*PARTS) if recipe not in ONE_PER_SYSTEM]


def uninterrupted(params: Params, trained: Trained) -> dict[str, str]:
    """What a training leaves that was never interrupted; its checkpoint is deleted."""
    trained(params)
    shutil.rmtree(CHECKPOINTS)
    files = published()
    assert {"generator.safetensors", "generator.json", "history.csv", "findings.json", "curves.png"} < files.keys()
    return files


def test_the_fingerprint_changes_the_description_alone(workspace: Workspace, trained: Trained) -> None:
    params = miniature(workspace("digits-dcgan"))
    once = uninterrupted(params, trained)
    train(params, "another-fingerprint")
    repeated = published()
    assert repeated.pop("generator.json") != once.pop("generator.json")  # it names the fingerprint
    assert repeated == once


def test_the_recipes_use_every_system() -> None:
    for chosen in (ONE_PER_SYSTEM, [*ONE_PER_SYSTEM, *OTHERS]):
        assert {load_params(recipes.path_of(name)).system.name for name in chosen} == set(systems.SYSTEMS)


@pytest.mark.parametrize("recipe", ONE_PER_SYSTEM)
def test_a_training_that_was_killed_and_resumed_gives_the_same_bytes(
    recipe: str, workspace: Workspace, trained: Trained
) -> None:
    params = miniature(workspace(recipe))
    once = uninterrupted(params, trained)
    first = started(train, changed(params, runtime=AFTER_EVERY_ITERATION), FINGERPRINT)
    kill_when(first, lambda: any(CHECKPOINTS.glob("*/previous.pt")))
    assert nimg_of_checkpoint() < params.train.kimg * 1000
    assert "Resuming at" in wait_for(started(train, params, FINGERPRINT))
    assert published() == once


def nimg_of_checkpoint() -> int:
    newest = next(path for name in ("last.pt", "previous.pt") for path in CHECKPOINTS.glob(f"*/{name}"))
    return int(torch.load(newest, weights_only=True)["nimg"])


class Interruption(Exception):
    """Ends a training in the middle."""


def interrupting(params: Params) -> Listeners:
    """Return what ends a training at the first row of the history in its second half."""

    def row(row: Mapping[str, float], nimg: int) -> None:
        if nimg > params.train.kimg * 500:
            raise Interruption

    return Listeners(row=row)


@pytest.mark.parametrize("recipe", OTHERS)
def test_a_training_that_goes_on_from_a_checkpoint_gives_the_same_bytes(
    recipe: str, workspace: Workspace, trained: Trained, capfd: pytest.CaptureFixture[str]
) -> None:
    params = miniature(workspace(recipe))
    once = uninterrupted(params, trained)
    with pytest.raises(Interruption):
        train(changed(params, runtime=AFTER_EVERY_ITERATION), FINGERPRINT, interrupting(params))
    assert 0 < nimg_of_checkpoint() < params.train.kimg * 1000
    train(params, FINGERPRINT)
    assert "Resuming at" in capfd.readouterr().out
    assert published() == once


def pictures_of_the_pools(change: Callable[[list[torch.Tensor]], list[torch.Tensor]]) -> list[int]:
    """Change the pictures that the pools of the newest checkpoint hold; return how many there were in each."""
    checkpoints = Checkpoints(paths.state_dir(), FINGERPRINT)
    state = checkpoints.load()
    assert state is not None
    found = []
    for name, value in state["system"].items():
        if name.startswith("pools."):
            found.append(len(value["images"]))
            value["images"] = change(value["images"])
    checkpoints.save({name: value for name, value in state.items() if name not in ("format", "fingerprint")})
    return found


@pytest.mark.parametrize("emptied", [False, True])
def test_a_resumed_cyclegan_needs_the_pictures_of_its_pools(
    emptied: bool, workspace: Workspace, trained: Trained
) -> None:
    params = miniature(workspace("digits-uci-cyclegan"))
    once = uninterrupted(params, trained)
    with pytest.raises(Interruption):
        train(changed(params, runtime=AFTER_EVERY_ITERATION), FINGERPRINT, interrupting(params))
    assert pictures_of_the_pools(lambda images: [] if emptied else images) == [50, 50], "full: old ones are returned"
    train(params, FINGERPRINT)
    assert (published()["generator.safetensors"] == once["generator.safetensors"]) == (not emptied)


@pytest.mark.parametrize("recipe", ["pattern-1010", "digits-dcgan", "glyphs-pix2pix"])
def test_another_seed_gives_another_generator(recipe: str, workspace: Workspace, trained: Trained) -> None:
    """That the same seed gives the same bytes is shown by the tests above, which train twice.

    One place alone builds all systems and seeds their weights, and one alone orders the rows.
    """
    params = miniature(workspace(recipe))
    trained(params)
    weights = json.loads((paths.MODEL / "generator.json").read_text())["sha256"]
    train(changed(params, train={"seed": 1}), "another-seed")
    assert json.loads((paths.MODEL / "generator.json").read_text())["sha256"] != weights
