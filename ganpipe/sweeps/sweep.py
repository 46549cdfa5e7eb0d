"""`ganpipe sweep`: run the trials of a study one after the other until none is left, also after a kill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ganpipe import params as checked_params
from ganpipe.config import Params, flatten
from ganpipe.errors import ConfigError, DataError, GanpipeError
from ganpipe.paths import main_root, state_dir
from ganpipe.sweeps.preloaded import Preloaded
from ganpipe.sweeps.space import read_space
from ganpipe.sweeps.study import PRUNERS, SAMPLERS, Asked, Claim, Study, load_best
from ganpipe.sweeps.trial import SEED, Trials
from ganpipe.tracking.parents import note_progress, open_parent
from ganpipe.tracking.pipeline import dvc, error_line

_FRECHET = {"inception": "fid"}  # of all other extractors: fd


def default_storage() -> str:
    """Return the database of the checkout, for processes of this machine."""
    return f"sqlite:///{state_dir() / 'sweeps.db'}"


def sweep(
    name: str | None, written: Sequence[str], trials: int, seeds: int, metric: str | None, maximise: bool,
    sampler: str, pruner: str, storage: str | None,
) -> Iterator[str]:  # fmt: skip
    """Make or resume a sweep, and run its trials; yield a line for each, and one about the best.

    Several processes may run the same sweep, also on machines that share `storage`. Raises `ConfigError` for anything
    asked for that cannot be; `GanpipeError` where storage or MLflow's store are out of reach.
    """
    params = checked_params.load()
    flat = flatten(params.model_dump(mode="json"))
    space = read_space(written, flat)
    trials = trials if space else 1
    asked = _asked(params, flat, written, seeds, metric, maximise, sampler, pruner, bool(space))
    state_dir().mkdir(exist_ok=True)
    study = Study(name or _name(params, asked), storage or default_storage(), asked, trials)
    parent = open_parent(study.name, {"ganpipe.sweep": study.name, "mlflow.note.content": _note(asked)})
    first = params.train.seed
    common = Trials(study, space, range(first, first + seeds), asked.metric, parent, _cache())
    yield f"Sweep {study.name}: {len(study.done())} of {trials} trials have ended."
    python = Preloaded()
    try:
        yield from _run(common, python, trials)
    finally:
        python.end()
    yield _summary(study, common)


def apply_best(name: str, storage: str | None) -> str:
    """Bring the experiment of the best trial of a sweep to the workspace. Raises `ConfigError` and `DataError`."""
    number, seed = load_best(name, storage or default_storage())
    experiment = f"{name}-{number:03d}" + (f"-s{seed}" if seed is not None else "")
    done = dvc("exp", "apply", experiment)
    if done.returncode:
        raise DataError(f"`dvc exp apply {experiment}` failed: {error_line(done)}")
    return f"The workspace is now that of {experiment}."


def _run(common: Trials, python: Preloaded, total: int) -> Iterator[str]:
    study, begun_with = common.study, _code()
    while claim := _next(study, begun_with):
        value, values = common.run(claim, python)
        told = study.tell(claim, value)
        done, best = study.done(), study.best()
        scores = {"best": best.value} if best is not None and best.value is not None else {}
        tags = {"ganpipe.sweep.best": common.group(best.number)} if best is not None else {}
        try:
            note_progress(common.parent, len(done), scores, tags, ended=len(done) == total)
        except GanpipeError as error:  # trials go on without MLflow, as trainings do
            yield f"The sweep's own row was not updated: {error}"
        yield _progress(common, told, values, len(done), total, best)


def _next(study: Study, begun_with: Mapping[str, int]) -> Claim | None:
    """Take a trial. Raises `DataError` where trials would run other code than DVC looks at."""
    if _code() != begun_with:
        raise DataError("the code has changed since this process imported it: start the sweep again, it goes on")
    return study.claim()


def _progress(
    common: Trials, told: FrozenTrial, values: Mapping[str, Any], done: int, total: int, best: FrozenTrial | None
) -> str:
    tried = ", ".join(f"{key}={value}" for key, value in values.items()) or "params.yaml"
    if told.state == TrialState.COMPLETE:
        outcome = f"{common.metric} {told.value:.4g}"
    elif told.state == TrialState.PRUNED:
        outcome = "given up"
    else:
        log = common.log(common.name(told.number, common.seeds[0])).relative_to(state_dir().parent)
        outcome = f"failed, see {log.with_stem(common.group(told.number) + '*')}"
    so_far = f"; best {best.value:.4g} ({common.group(best.number)})" if best is not None else ""
    return f"{done} of {total}: {common.group(told.number)}, {tried}: {outcome}{so_far}"


def _summary(study: Study, common: Trials) -> str:
    best = study.best()
    if best is None:
        return "No trial has a score."
    scores = best.user_attrs.get("scores", [])
    spread = f", seeds {min(scores):.4g} to {max(scores):.4g}" if len(scores) > 1 else ""
    return (
        f"Best: {common.group(best.number)}, {common.metric} {best.value:.4g}{spread}. "
        f"`ganpipe sweep --apply {study.name}` brings it to the workspace."
    )


def _asked(
    params: Params, flat: Mapping[str, Any], written: Sequence[str], seeds: int, metric: str | None, maximise: bool,
    sampler: str, pruner: str, varied: bool,
) -> Asked:  # fmt: skip
    if not varied and seeds < 2:
        raise ConfigError("nothing to vary: name params with -S KEY=VALUES, or several --seeds")
    for option, value, known in (("--sampler", sampler, SAMPLERS), ("--pruner", pruner, PRUNERS)):
        if value not in known:
            raise ConfigError(f"{option} {value}: use one of {', '.join(known)}")
    if any(text.startswith(f"{SEED}=") for text in written) and seeds > 1:
        raise ConfigError(f"{SEED} is varied by -S and by --seeds: use one of them")
    if pruner != "none" and (seeds > 1 or params.train.evaluate_kimg is None):
        why = f"--seeds {seeds}" if seeds > 1 else "a blank train.evaluate_kimg"
        raise ConfigError(f"--pruner {pruner} gives up trials by train/fd of one training, which {why} does not have")
    extractor = params.evaluate.extractors[0]
    chosen = metric or f"{extractor}.{_FRECHET.get(extractor, 'fd')}"
    kept = {key: value for key, value in flat.items() if not key.startswith("runtime.")}
    return Asked(tuple(written), seeds, chosen, maximise, sampler, pruner, kept)


def _name(params: Params, asked: Asked) -> str:
    content = json.dumps(vars(asked), sort_keys=True)
    return f"sweep-{params.system.name.replace('_', '-')}-{hashlib.sha256(content.encode()).hexdigest()[:6]}"


def _note(asked: Asked) -> str:
    varied = ", ".join(f"`{text}`" for text in asked.space) or "the seed"
    return f"Sweep over {varied} by {asked.sampler}, {asked.seeds} seed(s) each, judged by {asked.metric}."


def _code() -> dict[str, int]:
    """Return when each file that a trial runs was last changed, by its path."""
    files = [*Path(__file__).parent.parent.rglob("*.py"), *(main_root() / "stages").glob("*.py")]
    return {str(path): path.stat().st_mtime_ns for path in files}


def _cache() -> Path:
    return Path(dvc("cache", "dir").stdout.strip())
