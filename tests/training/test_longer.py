"""A training with a larger train.kimg continues where the shorter one ended, and gives the bytes of a straight one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from miniatures import changed, miniature, train
from trained import FINGERPRINT, published

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.training.finished import FORMAT, KEPT, Finished
from ganpipe.training.stage import Listeners

Workspace = Callable[[str], Params]
Trained = Callable[[Params], None]

FAMILY = "family"
STATE = Path(".ganpipe/finished") / f"{FAMILY}.pt"


def constant(params: Params, **values: Any) -> Params:
    """Return the params without a schedule that depends on the length."""
    return changed(params, train={"lr_decay_from_kimg": None, **values})


def shorter(params: Params, share: float = 2 / 3, **values: Any) -> Params:
    return constant(params, kimg=params.train.kimg * share, **values)


def continues(short: Params, long: Params, capfd: pytest.CaptureFixture[str]) -> bool:
    """Train the one and then the other, in one family; return whether the second continued the first."""
    train(short, "short", family=FAMILY)
    capfd.readouterr()
    train(long, FINGERPRINT, family=FAMILY)
    return "Continuing at" in capfd.readouterr().out


KINDS = ("pattern-1010", "digits-dcgan", "digits-wgan", "digits-uci-cyclegan", "digits-progan", "photos-srgan")
"""Vectors, pictures, steps that are counted, a pool, levels and phases. `test_exactness` restores every system."""


@pytest.mark.parametrize("recipe", KINDS)
def test_a_longer_training_gives_the_bytes_of_a_straight_one(
    recipe: str, workspace: Workspace, trained: Trained, capfd: pytest.CaptureFixture[str]
) -> None:
    params = constant(miniature(workspace(recipe)))
    assert params.train.kimg * 2 / 3 % params.train.log_kimg > 1e-6  # the short one ends between two rows
    assert continues(shorter(params), params, capfd)
    found = published()
    trained(params)
    assert published() == found


@pytest.mark.parametrize(
    ("intervals", "share"),
    [
        pytest.param({"preview_kimg": 0.032, "log_kimg": 0.048, "evaluate_kimg": 0.024}, 0.5, id="preview due"),
        pytest.param({"preview_kimg": 0.048, "log_kimg": 0.032, "evaluate_kimg": 0.024}, 0.5, id="row due"),
        pytest.param({"preview_kimg": 0.048, "log_kimg": 0.024, "evaluate_kimg": 0.032}, 0.5, id="score due"),
        pytest.param({"preview_kimg": 0.016, "log_kimg": 0.016, "evaluate_kimg": 0.016}, 0.5, id="all due"),
        pytest.param({"preview_kimg": 1, "log_kimg": 1, "evaluate_kimg": 1}, 0.5, id="nothing due"),
        pytest.param({"preview_kimg": 0.04, "log_kimg": 0.03, "evaluate_kimg": 0.02}, 0.53, id="batch cut off"),
    ],
)
@pytest.mark.parametrize("publish", ["last", "best"])
def test_what_the_end_adds_is_not_continued_from(
    intervals: dict[str, float],
    share: float,
    publish: str,
    workspace: Workspace,
    trained: Trained,
    capfd: pytest.CaptureFixture[str],
) -> None:
    params = constant(miniature(workspace("pattern-1010")), publish=publish, kimg=0.128, batch=8, **intervals)
    assert continues(shorter(params, share), params, capfd)
    found = published()
    trained(params)
    assert published() == found


def test_the_listeners_are_told_the_whole_history(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    params = constant(miniature(workspace("pattern-1010")))
    train(shorter(params), "short", family=FAMILY)
    rows, previews = [], []
    listeners = Listeners(
        row=lambda row, nimg: rows.append((row["kimg"], nimg)),
        preview=lambda path, nimg: previews.append((path.name, nimg)),
    )
    train(params, FINGERPRINT, listeners, FAMILY)
    written = [float(line.split(",")[0]) for line in paths.HISTORY.read_text().splitlines()[1:]]
    assert rows == [(kimg, round(1000 * kimg)) for kimg in written]
    assert previews == [
        (path.name, round(1000 * float(path.stem[5:]))) for path in sorted(paths.PREVIEWS.glob("kimg-*.png"))
    ]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        pytest.param({}, {"kimg": 0.06}, id="shorter than what has ended"),
        pytest.param({"kimg": 0.128}, {"kimg": 0.128}, id="the same length, as with dvc repro --force"),
        pytest.param({}, {"lr_decay_from_kimg": 0.01}, id="a learning rate that depends on the length"),
        pytest.param({"lr_decay_from_kimg": 0.01}, {}, id="the same for the first"),
    ],
)
def test_other_trainings_begin_at_the_beginning(
    short: dict[str, Any],
    long: dict[str, Any],
    workspace: Workspace,
    trained: Trained,
    capfd: pytest.CaptureFixture[str],
) -> None:
    params = constant(miniature(workspace("pattern-1010")), kimg=0.128)
    first, second = (
        changed(params, train={**default, **given}) for default, given in (({"kimg": 0.08}, short), ({}, long))
    )
    assert not continues(first, second, capfd)
    found = published()
    trained(second)
    assert published() == found


def test_a_damaged_state_is_told_and_the_training_begins_at_the_beginning(
    workspace: Workspace, trained: Trained, capfd: pytest.CaptureFixture[str]
) -> None:
    params = constant(miniature(workspace("pattern-1010")))
    train(shorter(params), "short", family=FAMILY)
    STATE.write_bytes(STATE.read_bytes()[:-200])
    train(params, FINGERPRINT, family=FAMILY)
    assert f"{FAMILY}.pt is damaged" in capfd.readouterr().out
    found = published()
    trained(params)
    assert published() == found


def test_the_newest_states_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        Finished(tmp_path, f"family-{number}").keep({"nimg": number}, [])
        os.utime(tmp_path / "finished" / f"family-{number}.pt", (number, number))
    assert sorted(path.stem for path in (tmp_path / "finished").iterdir()) == [
        f"family-{n}" for n in range(2, KEPT + 2)
    ]
    found = Finished(tmp_path, "family-6").shorter_than(7)
    assert found is not None and found["format"] == FORMAT and found["nimg"] == 6
    assert Finished(tmp_path, "family-6").shorter_than(6) is None
    assert Finished(tmp_path, "family-0").shorter_than(7) is None


def test_a_state_of_another_family_is_not_taken(tmp_path: Path) -> None:
    Finished(tmp_path, "mine").keep({"nimg": 1}, [])
    (tmp_path / "finished" / "mine.pt").rename(tmp_path / "finished" / "other.pt")
    assert Finished(tmp_path, "other").shorter_than(7) is None


def test_a_state_is_read_without_pickled_code(workspace: Workspace) -> None:
    train(miniature(workspace("pattern-1010")), "short", family=FAMILY)
    assert torch.load(STATE, weights_only=True)["format"] == FORMAT
    assert json.loads((paths.MODEL / "generator.json").read_text())["started_from"] is None
