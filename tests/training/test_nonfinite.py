"""Steps that are not finite: the training ends, leaves the step out, or goes back and takes other data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import torch
from miniatures import changed, miniature, train
from trained import FINGERPRINT, published

from ganpipe import paths
from ganpipe.config import Params
from ganpipe.core.batch import Batch
from ganpipe.core.system import Terms
from ganpipe.errors import TrainingDiverged
from ganpipe.history.table import read_csv
from ganpipe.sampling.published import load_generator
from ganpipe.systems.pattern_gan import PatternGAN
from ganpipe.training import sealed
from ganpipe.training.loop import Trainer
from ganpipe.training.nonfinite import MOST_SKIPPED

CHECKPOINTS = Path(".ganpipe/checkpoints") / FINGERPRINT
Poison = Callable[[Collection[int]], None]


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Return a function that makes the losses of some steps of the discriminator NaN, counted from 1 on."""
    plain = PatternGAN.fake_loss

    def poisoned(steps: Collection[int]) -> None:
        counter = itertools.count(1)

        def loss(system: PatternGAN, batch: Batch) -> tuple[Terms, Batch]:
            terms, tensors = plain(system, batch)
            return ({"fake": terms["fake"] * float("nan")} if next(counter) in steps else terms), tensors

        monkeypatch.setattr(PatternGAN, "fake_loss", loss)

    return poisoned


@pytest.fixture
def positions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first row of every batch that a training reads."""
    plain, found = Trainer._next_rows, list[int]()

    def noted(trainer: Trainer, position: int, count: int) -> Batch:
        found.append(position + trainer.detours.shift)
        return plain(trainer, position, count)

    monkeypatch.setattr(Trainer, "_next_rows", noted)
    return found


def params_for(workspace: Callable[[str], Params], policy: str, checkpoint_seconds: float = 1e6) -> Params:
    changes = {"train": {"on_nonfinite": policy}, "runtime": {"checkpoint_seconds": checkpoint_seconds}}
    return changed(miniature(workspace("pattern-1010")), **changes)


def findings() -> list[str]:
    return [finding["name"] for finding in json.loads(paths.FINDINGS.read_text())]


def test_it_stops_names_the_last_finite_value_and_keeps_the_state(
    workspace: Callable[[str], Params], poison: Poison, capfd: pytest.CaptureFixture[str]
) -> None:
    poison([5])
    with pytest.raises(
        TrainingDiverged, match=r"^discriminator/fake is nan after 0.032 kimg, was 0\.\d+ after 0.024 kimg;"
    ):
        train(params_for(workspace, "stop"), FINGERPRINT)
    assert f"kept for inspection in {Path.cwd() / CHECKPOINTS / 'diverged.pt'}" in capfd.readouterr().out
    kept = sealed.load(CHECKPOINTS / "diverged.pt")
    assert kept["nimg"] == 32 and kept["last_finite"]["discriminator/fake"] > 0
    assert "generator" in kept["optimizers"] and any(name.startswith("generator.") for name in kept["system"])


def test_a_step_is_left_out_and_the_history_counts_it(workspace: Callable[[str], Params], poison: Poison) -> None:
    poison([3, 7])
    train(params_for(workspace, "skip"), FINGERPRINT)
    rows = read_csv(paths.HISTORY)
    assert "skipped_steps" not in rows[0] or rows[0]["skipped_steps"] < 2
    assert rows[-1]["skipped_steps"] == 2 and findings() == []
    state = load_generator(paths.MODEL).system.state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())


def test_without_such_steps_every_policy_trains_the_same(
    workspace: Callable[[str], Params], trained: Callable[[Params], None]
) -> None:
    trained(params_for(workspace, "stop"))
    once = published()
    for policy in ("skip", "rollback"):
        train(params_for(workspace, policy), FINGERPRINT)
        assert published() == once


def test_nothing_but_steps_that_are_left_out_ends_the_training(
    workspace: Callable[[str], Params], poison: Poison
) -> None:
    poison(range(10**6))
    params = changed(params_for(workspace, "skip"), train={"kimg": 1.0, "preview_kimg": 1.0, "log_kimg": 0.5})
    with pytest.raises(TrainingDiverged, match=f"^{MOST_SKIPPED} steps of discriminator/fake in a row were not finite"):
        train(params, FINGERPRINT)


def test_it_goes_back_and_on_with_other_data(
    workspace: Callable[[str], Params], poison: Poison, positions: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    poison([5])
    train(params_for(workspace, "rollback"), FINGERPRINT)
    assert positions[:6] == [0, 8, 16, 24, 32, 40], "the first batch after going back is the one after the bad one"
    assert len(positions) == 5 + 16
    rows = read_csv(paths.HISTORY)
    assert [row["rollbacks"] for row in rows] == [1] * len(rows)
    assert "going back to 0 kimg, on with other data (1 of 3)" in capfd.readouterr().out
    assert paths.MODEL.exists() and findings() == []


def test_it_goes_back_to_the_last_checkpoint(
    workspace: Callable[[str], Params], poison: Poison, positions: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    poison([5])
    train(params_for(workspace, "rollback", checkpoint_seconds=1e-9), FINGERPRINT)
    assert "going back to 0.032 kimg, on with other data (1 of 3)" in capfd.readouterr().out
    assert positions[:6] == [0, 8, 16, 24, 32, 40] and len(positions) == 17


def test_a_training_that_is_killed_after_it_went_back_counts_it(
    workspace: Callable[[str], Params], poison: Poison, positions: list[int]
) -> None:
    poison([5, 8, 11, 14])
    params = params_for(workspace, "rollback")
    with pytest.raises(TrainingDiverged, match=r"after 0.016 kimg.* \(after 3 rollbacks\)"):
        train(params, FINGERPRINT)
    assert positions == [8 * number for number in range(14)]
    poison([])
    train(params, FINGERPRINT)  # the state is that of after the third
    assert positions[14] == 8 * 11 and read_csv(paths.HISTORY)[-1]["rollbacks"] == 3
