"""`ganpipe promote`: make the generator of a run a model of MLflow, and register it with its scores."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ganpipe.errors import ConfigError
from ganpipe.paths import MODEL
from ganpipe.sampling.published import load_generator
from ganpipe.serving import interface_of
from ganpipe.tracking.api import existing_store
from ganpipe.tracking.models import write_model

SCORES = "eval/"
"""How the names of those metrics of a run begin that judge its generator."""


def promote(run_name: str, registered: str) -> Iterator[str]:
    """Make the generator of a run the next version of the registered model of this name; yield lines that say how.

    `run_name` is the name of a run or the beginning of its id. The run holds the files of the model afterwards, in its
    folder `model`. Raises `ConfigError` for an unknown run, one without a generator and an empty name;
    `CheckpointError` where the code here cannot load the generator; `GanpipeError` where the store is out of reach.
    """
    if not registered.strip() or "/" in registered or ":" in registered:
        raise ConfigError(f"--as {registered!r}: the name of a model is not empty and has neither / nor :")
    with tempfile.TemporaryDirectory(prefix="ganpipe-promote-") as folder, existing_store() as store:
        run = store.find(run_name) if store else None
        if store is None or run is None:
            raise ConfigError(f"run {run_name!r} is unknown; see `ganpipe ui` for names and ids")
        published = store.copy(run.id, MODEL.name, Path(folder))
        if published is None:
            raise ConfigError(f"run {run.name} holds no generator: its training has not ended")
        model = Path(folder) / "served"
        write_model(published, interface_of(load_generator(published)), model)
        store.log_folder(run.id, model, MODEL.name)
        scores = {key: value for key, value in store.scalars(run.id).items() if key.startswith(SCORES)}
        tags = {key: f"{value:.6g}" for key, value in scores.items()}
        address = store.register(registered, run.id, MODEL.name, tags, _described(run.name, scores))
    yield f"{address} is the generator of run {run.name}, with {len(scores)} scores."
    yield f"Serve it: MLFLOW_TRACKING_URI={store.uri} mlflow models serve -m {address} --env-manager local -p 5001"


def _described(run: str, scores: Mapping[str, float]) -> str:
    rows = [f"| {key.removeprefix(SCORES)} | {value:.6g} |" for key, value in scores.items()]
    return "\n".join([f"The generator of run {run}.", "", "| score | value |", "|---|---|", *rows])
