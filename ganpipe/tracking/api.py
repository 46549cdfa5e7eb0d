"""The interface of tracking: `track` for stages, `sync_workspace` for users, the other functions for reports.

`find_runs`, `run_names`, `run_of_workspace` and `keep_file` read or complete what is there: they create no store and no
run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganpipe.config import Params
from ganpipe.errors import DataError, GanpipeError
from ganpipe.identity import Identity, identify_workspace
from ganpipe.tracking import background
from ganpipe.tracking.attempts import StageRecorder, matching_run
from ganpipe.tracking.entries import File
from ganpipe.tracking.experiment import Experiment
from ganpipe.tracking.locations import sqlite_file, store_uri
from ganpipe.tracking.run import Run, Silence
from ganpipe.tracking.stage_outputs import STAGES
from ganpipe.tracking.store import Store, StoredRun


@contextlib.contextmanager
def track(stage: str, params: Params, identity: Identity) -> Iterator[Run]:
    """Track a stage ("train", "sample" or "evaluate") while the block runs; at its end publish the files it left.

    The run ends as FINISHED, as FAILED after an exception, as KILLED after Ctrl-C or SIGTERM (which must have been made
    a `SystemExit`, as `ganpipe.command` does). A failure of MLflow costs one line on stderr and never raises.
    """
    if os.environ.get("RANK", "0") != "0":
        yield Run(Silence())
        return
    uri, status = store_uri(), "FAILED"
    sender = background.BackgroundSender(StageRecorder(Store(uri), stage, params, identity))
    try:
        sender.start()
        yield Run(sender)
        status = "FINISHED"
    except BaseException as error:
        status = _status_after(error)
        raise
    finally:
        seconds = background.KILLED_SECONDS if status == "KILLED" else background.FINISH_SECONDS
        trouble = sender.finish(status, stage if status == "FINISHED" else None, seconds)
        if trouble:
            print(f"MLflow at {uri} {trouble}: run `ganpipe track sync`", file=sys.stderr, flush=True)


def sync_workspace(params: Params) -> str:
    """Build or complete the run of the current folder from the files the stages left; return in one line what was done.

    Only stages that are up to date according to DVC count. Raises `DataError` if there is none, `GanpipeError` if the
    store is out of reach.
    """
    identity, stages, uri = identify_workspace(params), finished_stages(), store_uri()
    if not stages:
        raise DataError("nothing to sync: stage train is not up to date; run `dvc repro`")
    with _one_line_failures(uri, "; nothing was synced"):
        return "MLflow: " + StageRecorder(Store(uri), stages[-1], params, identity).refresh(stages)


def finished_stages() -> list[str]:
    """Return the stages, first to last, whose files belong to the present params and code. Raises `DataError`."""
    done = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
    try:
        changed = json.loads(done.stdout)
    except ValueError:
        reason = (done.stderr.strip() or "no answer").splitlines()[-1]
        raise DataError(f"`dvc status` failed: {reason}") from None
    stale = [STAGES.index(stage) for stage in STAGES if stage in changed]
    return list(STAGES[: min(stale, default=len(STAGES))])


def experiment_id() -> str:
    """Return the id of our experiment in the store; creates both if necessary. May raise anything MLflow raises."""
    store = Store(store_uri())
    with store.locked():
        return store.connect()


def find_runs(names: Sequence[str], into: Path) -> dict[str, Experiment]:
    """Read the runs of these names: a run name (the newest run of it) or the beginning of a run id.

    Histories, scores and pictures are copied to a folder for each below `into`; unknown names are left out.
    Raises `GanpipeError` where the store is out of reach or a name begins the ids of several runs.
    """
    with _existing_store() as store:
        found = {name: store.read(name, into) for name in names} if store else {}
        return {name: experiment for name, experiment in found.items() if experiment}


def copy_generator(name: str, into: Path) -> Path | None:
    """Copy the published generator of a run, given as in `find_runs`, to the folder `into`; return where it is.

    None where there is no such run, or it holds no generator. Raises `GanpipeError` where the store is out of reach.
    """
    with _existing_store() as store:
        return store.copy_generator(name, into) if store else None


def run_names() -> list[str]:
    """Return the names of all runs, empty where there is no store. Raises `GanpipeError`."""
    with _existing_store() as store:
        return sorted(set(store.names())) if store else []


def run_of_workspace(params: Params) -> StoredRun | None:
    """Return the run that holds the outputs in the current folder, if there is one. Raises `GanpipeError`."""
    with _existing_store() as store:
        return matching_run(store.attempts(identify_workspace(params).experiment)) if store else None


def keep_file(run_id: str, path: Path) -> None:
    """Copy a file to a run, in the place of one of the same name. Raises `GanpipeError`."""
    with _existing_store() as store:
        if store is not None:
            store.log_file(run_id, File(path))


@contextlib.contextmanager
def _existing_store() -> Iterator[Store | None]:
    """Yield the store, connected; None where there is none yet. Any failure in the block becomes a `GanpipeError`."""
    uri = store_uri()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        yield None
        return
    with _one_line_failures(uri):
        store = Store(uri)
        with store.locked():
            store.connect()
        yield store


@contextlib.contextmanager
def _one_line_failures(uri: str, consequence: str = "") -> Iterator[None]:
    try:
        yield
    except GanpipeError:
        raise
    except Exception as error:  # a store, a network and a disk raise what they like
        reason = background.first_line(error)
        raise GanpipeError(f"MLflow at {uri} unreachable ({reason}){consequence}") from error


def _status_after(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        by_signal = (128 + signal.SIGINT, 128 + signal.SIGTERM)
        return "KILLED" if error.code in by_signal else "FAILED" if error.code else "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
