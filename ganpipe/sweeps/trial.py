"""One trial of a sweep: an experiment of DVC for each seed, and their score."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganpipe import paths
from ganpipe.config import flatten
from ganpipe.errors import ConfigError
from ganpipe.sweeps.preloaded import Preloaded
from ganpipe.sweeps.pruning import STORAGE, STUDY, TRIAL
from ganpipe.sweeps.space import Space
from ganpipe.sweeps.study import Claim, Study
from ganpipe.tracking.pipeline import dvc_experiments
from ganpipe.tracking.run_metadata import GROUP, PARENT, SWEEP, git

SEED = "train.seed"


@dataclass(frozen=True)
class Trials:
    """What all trials of a sweep have in common."""

    study: Study
    space: Space
    seeds: Sequence[int]
    metric: str  # a dotted key of metrics.json
    parent: str  # the id of the sweep's run
    cache: Path  # of DVC

    def run(self, claim: Claim, python: Preloaded) -> tuple[float | None, Mapping[str, Any]]:
        """Compute a trial; return its score and the values it tried. The score is None where an experiment failed."""
        values = {key: one.suggest(claim.trial, key) for key, one in self.space.items()}
        scores = [self._experiment(claim, values, seed, python) for seed in self.seeds]
        found = [score for score in scores if score is not None]
        if len(found) < len(scores):
            return None, values
        claim.trial.set_user_attr("scores", found)
        return statistics.fmean(found), values

    def name(self, number: int, seed: int) -> str:
        """Return the name of an experiment in DVC."""
        return self.group(number) + (f"-s{seed}" if len(self.seeds) > 1 else "")

    def group(self, number: int) -> str:
        """Return the name that the experiments of a trial share."""
        return f"{self.study.name}-{number:03d}"

    def log(self, name: str) -> Path:
        """Return the file with what the experiment of this name has said."""
        return paths.state_dir() / "sweeps" / "logs" / f"{name}.log"

    def _experiment(self, claim: Claim, values: Mapping[str, Any], seed: int, python: Preloaded) -> float | None:
        """Run an experiment, unless one that was killed afterwards is there; return its score, None if it failed."""
        name = self.name(claim.number, seed)
        commit = commit_of(name)
        if commit is None:
            changes = values if SEED in values else {**values, SEED: seed}
            command = ["dvc", "exp", "run", "--temp", "--name", name]
            for key, value in changes.items():
                command += ["--set-param", f"{key}={json.dumps(value)}"]
            self.log(name).parent.mkdir(parents=True, exist_ok=True)
            python.run(command, self._environment(claim), self.log(name))
            commit = commit_of(name)
        return None if commit is None else read_score(commit, self.metric, self.cache)

    def _environment(self, claim: Claim) -> dict[str, str]:
        named = {PARENT: self.parent, SWEEP: self.study.name, GROUP: self.group(claim.number)}
        pruned = {STUDY: self.study.name, STORAGE: self.study.address, TRIAL: str(claim.trial._trial_id)}
        return named | (pruned if len(self.seeds) == 1 else {})


def commit_of(name: str) -> str | None:
    """Return the commit of DVC's experiment of this name; None if there is none."""
    return next((one.commit for one in dvc_experiments() if one.name == name), None)


def read_score(commit: str, metric: str, cache: Path) -> float:
    """Return a score of an experiment from DVC's cache. Raises `ConfigError` where it has no such score."""
    from ruamel.yaml import YAML

    recorded = YAML(typ="safe").load(git("show", f"{commit}:./{paths.LOCK}"))["stages"]["evaluate"]["outs"]
    md5 = next(out["md5"] for out in recorded if out["path"] == paths.METRICS.as_posix())
    found = flatten(json.loads((cache / "files" / "md5" / md5[:2] / md5[2:]).read_text(encoding="utf-8")))
    numbers = {key: value for key, value in found.items() if isinstance(value, int | float)}
    if metric not in numbers:
        raise ConfigError(f"--metric {metric}: metrics.json has no such number; it has {', '.join(numbers)}")
    return float(numbers[metric])
