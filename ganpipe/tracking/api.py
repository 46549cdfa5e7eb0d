"""The interface of tracking: `track` for stages, `sync_workspace` for users, the other functions for reports.

`find_runs`, `run_names`, `run_of_workspace` and `keep_file` read or complete what is there: they create no store and no
run.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganpipe.config import Params
from ganpipe.errors import DataError, GanpipeError
from ganpipe.identity import Identity, identify_workspace
from ganpipe.paths import MODEL
from ganpipe.tracking import background
from ganpipe.tracking.attempts import StageRecorder, close_dead_runs, matching_run
from ganpipe.tracking.entries import File
from ganpipe.tracking.experiment import Experiment
from ganpipe.tracking.locations import sqlite_file, store_uri
from ganpipe.tracking.pipeline import experiments_here, finished_stages
from ganpipe.tracking.run import Run, Silence
from ganpipe.tracking.run_metadata import CODE_DIFF, RECIPE_FOLDER, experiment_name
from ganpipe.tracking.store import Store, StoredRun
from ganpipe.words import masked


@contextlib.contextmanager
def track(stage: str, params: Params, identity: Identity) -> Iterator[Run]:
    """Track a stage ("train", "sample" or "evaluate") while the block runs; at its end publish the files it left.

    The run ends as FINISHED, as FAILED after an exception, as KILLED after Ctrl-C or SIGTERM (which must have been made
    a `SystemExit`, as `ganpipe.command` does). A failure of MLflow costs one line on stderr and never raises. Where the
    store is a server, the address of the run is printed.
    """
    if os.environ.get("RANK", "0") != "0":
        yield Run(Silence())
        return
    uri, status = store_uri(), "FAILED"
    recorder = StageRecorder(Store(uri), stage, params, identity)
    sender = background.BackgroundSender(recorder)
    try:
        sender.start()
        yield Run(sender)
        status = "FINISHED"
    except BaseException as error:
        status = _status_after(error)
        raise
    finally:
        quiet = background.FINISH_SECONDS if sqlite_file(uri) is None else background.BUSY_SECONDS
        total = background.KILLED_SECONDS if status == "KILLED" else math.inf
        trouble = sender.finish(status, stage if status == "FINISHED" else None, quiet, total)
        if trouble:
            print(f"MLflow at {masked(uri)} {trouble}: run `ganpipe track sync`", file=sys.stderr, flush=True)
        elif recorder.address:
            print(f"MLflow: {masked(recorder.address)}", flush=True)


def sync_workspace(params: Params, commit: str = "") -> str:
    """Build or complete the run of the current folder from the files the stages left; return in one line what was done.

    Only stages that are up to date according to DVC count. `commit` is that of DVC's experiment, where the folder is a
    copy of one. Raises `DataError` if no stage is up to date, `GanpipeError` if the store is out of reach.
    """
    identity, stages, uri = identify_workspace(params), finished_stages(), store_uri()
    if not stages:
        raise DataError("nothing to sync: stage train is not up to date; run `dvc repro`")
    running = experiment_name()
    names = [running] if running else [one.name for one in experiments_here()]
    with one_line_failures(uri, "; nothing was synced"):
        return "MLflow: " + StageRecorder(Store(uri), stages[-1], params, identity, names).refresh(stages, commit)


def load_for_a_stage() -> None:
    """Bring into memory what `track` does: MLflow, and a store of its own in a folder that is deleted."""
    with tempfile.TemporaryDirectory(prefix="ganpipe-") as folder, contextlib.redirect_stderr(io.StringIO()):
        store = Store(f"sqlite:///{folder}/mlflow.db")
        store.load()
        store.connect()


def open_experiment() -> str:
    """Return the id of our experiment in the store, its dead runs closed; creates both if necessary.

    May raise anything MLflow raises.
    """
    store = Store(store_uri())
    with store.locked():
        experiment = store.connect()
        close_dead_runs(store)
    return experiment


def find_runs(names: Sequence[str], into: Path) -> dict[str, Experiment]:
    """Read the runs of these names: a run name (the newest run of it) or the beginning of a run id.

    Histories, scores and pictures are copied to a folder for each below `into`; unknown names are left out.
    Raises `GanpipeError` where the store is out of reach or a name begins the ids of several runs.
    """
    with existing_store() as store:
        found = {name: store.read(name, into) for name in names} if store else {}
        return {name: experiment for name, experiment in found.items() if experiment}


def copy_generator(name: str, into: Path) -> Path | None:
    """Copy the published generator of a run, given as in `find_runs`, to the folder `into`; return where it is.

    None where there is no such run, or it holds no generator. Raises `GanpipeError` where the store is out of reach.
    """
    with existing_store() as store:
        run = store.find(name) if store else None
        return store.copy(run.id, MODEL.name, into) if store and run else None


def copy_recipe(name: str, into: Path) -> StoredRun | None:
    """Copy the files that make a run again, given as in `find_runs`, and the diff of its code; return the run.

    They lie in the folder `into` as in the run. None where there is no such run. Raises `GanpipeError`.
    """
    with existing_store() as store:
        run = store.find(name) if store else None
        if store and run:
            for kept in (RECIPE_FOLDER, CODE_DIFF):
                store.copy(run.id, kept, into)
        return run


def synced_commits() -> set[str]:
    """Return the commits of DVC's experiments whose runs are complete. Raises `GanpipeError`."""
    with existing_store() as store:
        return store.synced_commits() if store else set()


def run_names() -> list[str]:
    """Return the names of all runs, empty where there is no store. Raises `GanpipeError`."""
    with existing_store() as store:
        return sorted(set(store.names())) if store else []


def run_of_workspace(params: Params) -> StoredRun | None:
    """Return the run that holds the outputs in the current folder, if there is one. Raises `GanpipeError`."""
    with existing_store() as store:
        return matching_run(store.attempts(identify_workspace(params).experiment)) if store else None


def keep_file(run_id: str, path: Path) -> None:
    """Copy a file to a run, in the place of one of the same name. Raises `GanpipeError`."""
    with existing_store() as store:
        if store is not None:
            store.log_file(run_id, File(path))


@contextlib.contextmanager
def existing_store() -> Iterator[Store | None]:
    """Yield the store, connected; None where there is none yet. Any failure in the block becomes a `GanpipeError`."""
    uri = store_uri()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        yield None
        return
    with one_line_failures(uri):
        store = Store(uri)
        with store.locked():
            store.connect()
        yield store


@contextlib.contextmanager
def one_line_failures(uri: str, consequence: str = "") -> Iterator[None]:
    """Make any failure in the block a `GanpipeError` that names the store, and what `consequence` it has."""
    try:
        yield
    except GanpipeError:
        raise
    except Exception as error:  # a store, a network and a disk raise what they like
        state = "busy" if background.is_busy(error) else "unreachable"
        raise GanpipeError(f"MLflow at {uri} {state} ({background.first_line(error)}){consequence}") from error


def _status_after(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        by_signal = (128 + signal.SIGINT, 128 + signal.SIGTERM)
        return "KILLED" if error.code in by_signal else "FAILED" if error.code else "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
