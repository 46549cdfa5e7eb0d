"""The study of a sweep: which trials there are, which of them is whose, and what they have shown.

It lies in a database that several processes and machines may share. All trials are there from the beginning, waiting,
so that none is made twice. Who takes one holds a lock in its checkout for as long as it lives, so that a trial whose
process was killed is taken up by the next one in the same checkout.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from ganpipe.errors import ConfigError, GanpipeError
from ganpipe.paths import main_root, state_dir

SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
PRUNERS: Mapping[str, Any] = {
    "none": optuna.pruners.NopPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}
DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_OWNER = "owner"
_ASKED = "asked"


@dataclass
class Claim:
    """A trial that this process runs, with the lock that says so."""

    trial: optuna.Trial
    lock: FileLock

    @property
    def number(self) -> int:
        """The number of the trial, from 0."""
        return self.trial.number


@dataclass(frozen=True)
class Asked:
    """What a sweep was started with, and must be resumed with."""

    space: Sequence[str]
    seeds: int
    metric: str
    maximise: bool
    sampler: str
    pruner: str
    params: Mapping[str, Any] = field(default_factory=dict)  # with dotted keys, as they were


def quiet_storage(address: str) -> optuna.storages.RDBStorage:
    """Open a database for studies, made if necessary. Raises `GanpipeError` where it cannot be reached."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.storages.RDBStorage(address)
    except Exception as error:  # what databases raise
        raise GanpipeError(f"the sweep's storage cannot be used: {str(error).splitlines()[0]}") from error


def load_trial(study: str, address: str, trial: int) -> optuna.Trial:
    """Return a running trial by its id in the storage, with the pruner of its study."""
    storage = quiet_storage(address)
    asked = storage.get_study_user_attrs(storage.get_study_id_from_name(study))[_ASKED]
    found = optuna.load_study(study_name=study, storage=storage, pruner=PRUNERS[asked["pruner"]]())
    return optuna.Trial(found, trial)


def load_best(name: str, address: str) -> tuple[int, int | None]:
    """Return the number of the best trial of a study, and its best seed where it has several. Raises `ConfigError`."""
    try:
        study = optuna.load_study(study_name=name, storage=quiet_storage(address))
    except KeyError:
        raise ConfigError(f"sweep {name!r} is unknown in this storage") from None
    try:
        best = study.best_trial
    except ValueError:
        raise ConfigError(f"sweep {name}: no trial has a score yet") from None
    scores = best.user_attrs["scores"]
    if len(scores) == 1:
        return best.number, None
    wanted = max if study.direction == optuna.study.StudyDirection.MAXIMIZE else min
    first = study.user_attrs[_ASKED]["params"]["train.seed"]
    return best.number, first + scores.index(wanted(scores))


class Study:
    """One study with `total` trials."""

    def __init__(self, name: str, address: str, asked: Asked, total: int) -> None:
        """Make or resume it. Raises `ConfigError` where it was started with something else."""
        self.name, self.address, self.total = name, address, total
        self.storage = quiet_storage(address)
        self._folder = state_dir() / "sweeps" / hashlib.sha256(f"{address} {name}".encode()).hexdigest()[:12]
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "made.lock"):
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=name,
                sampler=SAMPLERS[asked.sampler](),
                pruner=PRUNERS[asked.pruner](),
                direction="maximize" if asked.maximise else "minimize",
                load_if_exists=True,
            )
            self._require_same(asked)
            for _ in range(total - len(self.study.get_trials(deepcopy=False))):
                self.study.enqueue_trial({})

    def claim(self) -> Claim | None:
        """Take a trial: one whose process in this checkout is gone, or else one that waits; None where none is left."""
        for state in (TrialState.RUNNING, TrialState.WAITING):
            for found in self._trials(state):
                if lock := self._lock_of(found):
                    if state == TrialState.RUNNING or self._start(found):
                        return Claim(optuna.Trial(self.study, found._trial_id), lock)
                    _give_back(lock)
        return None

    def tell(self, claim: Claim, value: float | None) -> FrozenTrial:
        """Note the result of a trial: a score, none of a trial that was given up, or None of one that failed."""
        given_up = "given_up" in self.storage.get_trial(claim.trial._trial_id).user_attrs
        state = TrialState.COMPLETE if value is not None else TrialState.PRUNED if given_up else TrialState.FAIL
        told = self.study.tell(claim.number, value, state=state, skip_if_finished=True)
        _give_back(claim.lock)
        return told

    def done(self) -> list[FrozenTrial]:
        """Return the trials that have ended, by number."""
        return [trial for state in DONE for trial in self._trials(state)]

    def best(self) -> FrozenTrial | None:
        """Return the best complete trial."""
        complete = self._trials(TrialState.COMPLETE)
        sign = -1 if self.study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
        return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def _trials(self, state: TrialState) -> list[FrozenTrial]:
        found = self.study.get_trials(deepcopy=False, states=(state,))
        return [trial for trial in found if trial.number < self.total]

    def _lock_of(self, trial: FrozenTrial) -> FileLock | None:
        """Return the lock of a trial, held; None where another process has it, here or in another checkout."""
        path = self._folder / f"{trial.number:05d}.lock"
        if trial.state == TrialState.RUNNING:
            ours = trial.user_attrs.get(_OWNER, _owner()) == _owner()
            if not ours or not path.exists():
                return None
        lock = FileLock(path)
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
        if not lock.is_locked:
            return None
        if self.storage.get_trial(trial._trial_id).state == trial.state:  # and not ended since it was listed
            return lock
        _give_back(lock)
        return None

    def _start(self, trial: FrozenTrial) -> bool:
        """Make a waiting trial a running one of this checkout; False: another process was faster."""
        try:
            if not self.storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
                return False
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        self.storage.set_trial_user_attr(trial._trial_id, _OWNER, _owner())
        return True

    def _require_same(self, asked: Asked) -> None:
        known = self.study.user_attrs.get(_ASKED)
        now = {**vars(asked), "space": list(asked.space)}
        if known is None:
            self.study.set_user_attr(_ASKED, now)
            return
        for key in now:
            if known.get(key) != now[key]:
                what = _first_difference(known.get(key), now[key])
                raise ConfigError(f"sweep {self.name} was started with other {key} ({what}): resume it with the same")


def _first_difference(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key))
        return f"{key} was {before.get(key)}, is {now.get(key)}"
    return f"was {before}, is {now}"


def _give_back(lock: FileLock) -> None:
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _owner() -> str:
    """Return what names this checkout of this machine, without its path."""
    return hashlib.sha256(f"{platform.node()} {main_root()}".encode()).hexdigest()[:12]
