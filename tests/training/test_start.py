"""train.start_from: the weights to begin with are copied when params are checked, and recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from miniatures import changed, miniature, train
from safetensors.torch import load_file
from torch import Tensor
from trained import FINGERPRINT

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.errors import CheckpointError, ConfigError
from ganpipe.training.start import take_start

Workspace = Callable[[str], Params]
Trained = Callable[[Params], None]

MODEL = Path("kept/model")


def nowhere(name: str, into: Path) -> Path | None:
    """No store, no run."""
    return None


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "generator.safetensors")


def described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "generator.json").read_text())


@pytest.fixture
def model(workspace: Workspace, trained: Trained) -> Params:
    """Leave a generator in `MODEL` and return the params of its training."""
    params = miniature(workspace("digits-dcgan"))
    trained(params)
    shutil.move(paths.MODEL, MODEL)
    shutil.rmtree(".ganpipe")
    return params


def starting(params: Params, start_from: str | None = str(MODEL), **sections: dict[str, Any]) -> Params:
    """Return params that begin with a generator, after what the stage `check` does."""
    asked = changed(params, train={"start_from": start_from}, **sections)
    take_start(start_from, paths.START, nowhere)
    return asked


def test_a_training_begins_with_the_published_weights(model: Params) -> None:
    still = {"kimg": 0.008, "lr": 1e-30, "ema_half_life_kimg": 0.0, "log_kimg": 0.008, "preview_kimg": 0.008}
    params = starting(changed(model, train=still))
    train(params, FINGERPRINT)
    begun, published = weights(MODEL), weights(paths.MODEL)
    learned = [name for name, value in begun.items() if "running" not in name and "num_batches" not in name]
    assert learned and all(torch.equal(begun[name], published[name]) for name in learned)
    assert described(paths.MODEL)["started_from"] == described(MODEL)["sha256"]
    assert described(MODEL)["started_from"] is None


def test_the_first_preview_is_drawn_with_them(model: Params) -> None:
    train(starting(model), FINGERPRINT)
    first = sorted(paths.PREVIEWS.glob("kimg-*.png"))[0].read_bytes()
    train(starting(model, None), "other")
    assert sorted(paths.PREVIEWS.glob("kimg-*.png"))[0].read_bytes() != first


def test_it_may_learn_from_other_data(model: Params, workspace: Workspace) -> None:
    params = starting(miniature(workspace("digits-diffaugment")))
    train(params, FINGERPRINT)
    assert described(paths.MODEL)["started_from"] == described(MODEL)["sha256"]


@pytest.mark.parametrize(
    "named", [str(MODEL), str(MODEL / "generator.json"), str(MODEL / "generator.safetensors"), "absolute", "a run"]
)
def test_what_may_be_named(model: Params, named: str) -> None:
    def copied(name: str, into: Path) -> Path | None:
        assert name == "a run"
        return Path(shutil.copytree(MODEL, into))

    take_start(str(MODEL.resolve()) if named == "absolute" else named, paths.START, copied)
    sha256 = described(MODEL)["sha256"]
    assert json.loads(paths.START_NOTE.read_text()) == {"sha256": sha256}
    assert sorted(path.name for path in paths.START.iterdir()) == [
        "generator.json",
        "generator.safetensors",
        "start.json",
    ]
    assert (paths.START / "generator.safetensors").read_bytes() == (MODEL / "generator.safetensors").read_bytes()


def test_a_relative_path_also_counts_from_the_main_checkout(
    model: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "abc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    take_start(str(MODEL), paths.START, nowhere)
    assert described(paths.START) == described(tmp_path / MODEL)


def test_blank_leaves_the_note_alone(model: Params) -> None:
    take_start(str(MODEL), paths.START, nowhere)
    take_start(None, paths.START, nowhere)
    assert [path.name for path in paths.START.iterdir()] == ["start.json"]
    assert json.loads(paths.START_NOTE.read_text()) == {"sha256": None}


def test_what_is_not_there_is_one_line(model: Params) -> None:
    with pytest.raises(ConfigError, match="train.start_from = 'nothing': there is no such folder, and no MLflow run"):
        take_start("nothing", paths.START, nowhere)
    with pytest.raises(CheckpointError, match="data/packed/generator.json: no such file"):
        take_start("data/packed", paths.START, nowhere)
    path = MODEL / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"generator.safetensors: damaged"):
        take_start(str(MODEL), paths.START, nowhere)


def test_weights_that_do_not_fit_are_refused_with_the_option_that_differs(model: Params) -> None:
    with pytest.raises(ConfigError, match=r"train\.start_from.*system\.features is 5, theirs 4"):
        train(starting(model, system={"features": 5}), FINGERPRINT)
    assert not paths.MODEL.exists()


def test_weights_of_another_system_are_refused(model: Params, workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"train\.start_from.*theirs"):
        train(starting(miniature(workspace("digits-mlp"))), FINGERPRINT)
