"""A study in a real database: every trial is taken once, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ganpipe.errors import ConfigError
from ganpipe.sweeps.pruning import PRUNED, STORAGE, STUDY, TRIAL, telling_sweep
from ganpipe.sweeps.study import Asked, Study, load_best, load_trial

ASKED = Asked(("train.lr=1,2",), 1, "pattern.fd", False, "random", "none", {"train.seed": 0})
WORK = """
import sys, time
from ganpipe.sweeps.pruning import PRUNED, STORAGE, STUDY, TRIAL, telling_sweep
from ganpipe.sweeps.study import Asked, Study
asked = Asked(("train.lr=1,2",), 1, "pattern.fd", False, "random", "none", {"train.seed": 0})
study = Study("s", sys.argv[1], asked, 12)
while claim := study.claim():
    value = claim.trial.suggest_float("x", 0, 1)
    print(claim.number, value, flush=True)
    time.sleep(0.1)
    study.tell(claim, value)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def worker(address: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WORK, address], stdout=subprocess.PIPE, text=True)


def test_two_processes_share_a_study_and_a_killed_one_loses_no_trial(here: Path) -> None:
    address = f"sqlite:///{here}/study.db"
    first, second = worker(address), worker(address)
    assert first.stdout is not None
    begun = first.stdout.readline().split()
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second.communicate(timeout=120)
    worker(address).communicate(timeout=120)
    study = Study("s", address, ASKED, 12)
    trials = study.study.get_trials()
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE} and study.claim() is None
    assert len({trial.params["x"] for trial in trials}) == 12
    assert trials[int(begun[0])].value == float(begun[1]), "the trial that was taken up goes on with its values"


def test_a_trial_of_another_checkout_or_a_living_process_is_not_taken(here: Path, monkeypatch) -> None:
    address = f"sqlite:///{here}/study.db"
    study = Study("s", address, ASKED, 2)
    claim = study.claim()
    assert claim is not None and claim.number == 0
    other = Study("s", address, ASKED, 2)
    second = other.claim()
    assert second is not None and second.number == 1
    assert other.claim() is None
    claim.lock.release()  # as if the process had died
    (here / "other" / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(here / "other")
    assert Study("s", address, ASKED, 2).claim() is None
    monkeypatch.chdir(here)
    again = study.claim()
    assert again is not None and again.number == 0


def test_a_sweep_is_resumed_with_what_it_was_started_with(here: Path) -> None:
    address = f"sqlite:///{here}/study.db"
    study = Study("s", address, ASKED, 3)
    with pytest.raises(ConfigError, match="no trial has a score"):
        load_best("s", address)
    with pytest.raises(ConfigError, match="sweep 'other' is unknown"):
        load_best("other", address)
    other = Asked(**{**vars(ASKED), "params": {"train.seed": 1}})
    with pytest.raises(ConfigError, match=r"sweep s was started with other params \(train.seed was 0, is 1\)"):
        Study("s", address, other, 3)
    for value in (3.0, 1.0, 2.0):
        claim = study.claim()
        assert claim is not None
        claim.trial.set_user_attr("scores", [value])
        study.tell(claim, value)
    assert load_best("s", address) == (1, None)
    assert len(Study("s", address, ASKED, 5).study.get_trials()) == 5, "more trials may be asked for"


@pytest.mark.parametrize("pruner", ["halving", "hyperband"])
def test_bad_trials_are_given_up_by_their_scores_in_training(here: Path, pruner: str) -> None:
    address = f"sqlite:///{here}/study.db"
    asked = Asked(("train.lr=1,2",), 1, "pattern.fd", False, "random", pruner, {"train.seed": 0})
    study = Study("s", address, asked, 12)
    given_up = 0
    for quality in range(12):
        claim = study.claim()
        assert claim is not None
        training = load_trial("s", address, claim.trial._trial_id)  # as the process of the training does
        for step in range(1, 10):
            training.report(float(quality), step)
            if training.should_prune():
                training.set_user_attr("given_up", float(quality))
                given_up += 1
                break
        ended = study.storage.get_trial(claim.trial._trial_id).user_attrs
        study.tell(claim, None if "given_up" in ended else float(quality))
    assert given_up > 2 and len(study.done()) == 12
    best = study.best()
    assert best is not None and best.value == 0.0


def test_a_training_that_is_a_trial_tells_its_scores_and_ends_when_it_is_given_up(here: Path, monkeypatch) -> None:
    address = f"sqlite:///{here}/study.db"
    asked = Asked(("train.lr=1,2",), 1, "pattern.fd", False, "random", "halving", {"train.seed": 0})
    study, rows = Study("s", address, asked, 6), []
    codes = []
    for quality in range(6):
        claim = study.claim()
        assert claim is not None
        for variable, value in {STUDY: "s", STORAGE: address, TRIAL: str(claim.trial._trial_id)}.items():
            monkeypatch.setenv(variable, value)
        listener = telling_sweep(lambda row, nimg: rows.append(nimg))
        try:
            for nimg in range(100, 1000, 100):
                listener({"loss": 1.0} if nimg == 100 else {"fd": float(quality)}, nimg)
            study.tell(claim, float(quality))
        except SystemExit as ended:
            codes.append(ended.code)
            assert study.tell(claim, None).state == TrialState.PRUNED
    assert codes and set(codes) == {PRUNED} and len(rows) > 9
    assert study.study.get_trials()[0].intermediate_values == dict.fromkeys(range(200, 1000, 100), 0.0)
    monkeypatch.setenv(STORAGE, "sqlite:////nowhere/x.db")
    telling_sweep(lambda row, nimg: None)({"fd": 1.0}, 100)  # one line, no error
    monkeypatch.delenv(TRIAL)
    assert telling_sweep(print) is print
