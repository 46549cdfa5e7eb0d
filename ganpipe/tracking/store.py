"""Tracking with MLflow, and the only file that imports it: `track` for stages, `sync_workspace` for users, the store.

`find_rows`, `row_of_workspace` and `keep_file` serve the reports: they read what is there and make no store and no row.

MLflow takes seconds to import, so it is imported when a store is first connected to. Only `MlflowClient` with an
explicit address is used, none of MLflow's global state.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from PIL import Image

from ganpipe.config import Params
from ganpipe.errors import DataError, GanpipeError
from ganpipe.history.table import write_csv
from ganpipe.identity import Identity, identify_workspace
from ganpipe.paths import HISTORY
from ganpipe.tracking import background as courier
from ganpipe.tracking.attempts import Record, matching_row
from ganpipe.tracking.entries import File, Picture, Point, Text, now
from ganpipe.tracking.experiment import Experiment, recorded_by
from ganpipe.tracking.locations import EXPERIMENT, artifact_root, is_server, sqlite_file, store_lock, store_uri
from ganpipe.tracking.run import Row, Silence
from ganpipe.tracking.run_metadata import row_facts
from ganpipe.tracking.run_writer import Found
from ganpipe.tracking.stage_outputs import STAGES, TRAIN_PREFIX

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = [
    "Store",
    "experiment_id",
    "find_rows",
    "finished_stages",
    "keep_file",
    "row_names",
    "row_of_workspace",
    "sync_workspace",
    "track",
]

LOCK_SECONDS = 60.0  # how long to wait for another process that creates the store or a row

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own default hangs for four minutes on a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # its errors reach the user through us, in one line
}
_TAG_LENGTH = 8000  # characters, MLflow's limit
_PARAMS_PER_BATCH = 100  # MLflow's limit
_REPORTED = (".csv", ".json", ".png")  # of a row's files, those that reports read
_SHORTEST_ID = 4  # characters of a run id that may stand for it


@contextlib.contextmanager
def track(stage: str, params: Params, identity: Identity) -> Iterator[Row]:
    """Track a stage ("train", "sample" or "evaluate") while the block runs; at its end publish the files it left.

    The row ends as FINISHED, as FAILED after an exception, as KILLED after Ctrl-C or SIGTERM (which must have been made
    a `SystemExit`, as `ganpipe.command` does). Trouble with MLflow costs one line on stderr and never raises.
    """
    if os.environ.get("RANK", "0") != "0":
        yield Row(Silence())
        return
    uri, status = store_uri(), "FAILED"
    messenger = courier.Courier(Record(Store(uri), stage, params, identity))
    try:
        messenger.start()
        yield Row(messenger)
        status = "FINISHED"
    except BaseException as error:
        status = _status_after(error)
        raise
    finally:
        seconds = courier.KILLED_SECONDS if status == "KILLED" else courier.FINISH_SECONDS
        trouble = messenger.finish(status, stage if status == "FINISHED" else None, seconds)
        if trouble:
            _say(f"MLflow at {uri} {trouble}: run `ganpipe track sync`")


def sync_workspace(params: Params) -> str:
    """Build or complete the row of the current folder from the files the stages left; return in one line what was done.

    Only stages that are up to date according to DVC count. Raises `DataError` if there is none, `GanpipeError` if the
    store is out of reach.
    """
    identity, stages, uri = identify_workspace(params), finished_stages(), store_uri()
    if not stages:
        raise DataError("nothing to sync: stage train is not up to date; run `dvc repro`")
    try:
        return "MLflow: " + Record(Store(uri), stages[-1], params, identity).refresh(stages)
    except GanpipeError:
        raise
    except Exception as error:  # whatever a store, a network or a disk may come up with
        raise GanpipeError(f"MLflow at {uri} unreachable ({courier.first_line(error)}); nothing was synced") from error


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
    """Return the id of our experiment in the store, making both if need be. May raise anything MLflow raises."""
    store = Store(store_uri())
    with store.locked():
        return store.connect()


def find_rows(names: Sequence[str], into: Path) -> dict[str, Experiment]:
    """Read the rows that go by these names: a run name (the newest row of it) or the beginning of a run id.

    Histories, scores and pictures are copied to a folder for each below `into`; a name that no row has is left out.
    Raises `GanpipeError` where the store is out of reach or the beginning of an id is that of several rows.
    """
    with _existing_store() as store:
        found = {name: store.named(name) for name in names} if store else {}
        return {
            name: store.read(run, into / run.info.run_id) for name, run in found.items() if store is not None and run
        }


def row_names() -> list[str]:
    """Return the names of all rows, none where there is no store. Raises `GanpipeError`."""
    with _existing_store() as store:
        return sorted({_found(run).name for run in store.runs()}) if store else []


def row_of_workspace(params: Params) -> Found | None:
    """Return the row that holds what the stages left in the current folder, if there is one. Raises `GanpipeError`."""
    with _existing_store() as store:
        return matching_row(store.rows(identify_workspace(params).experiment)) if store else None


def keep_file(row_id: str, path: Path) -> None:
    """Keep a file with a row, in the place of one of the same name. Raises `GanpipeError`."""
    with _existing_store() as store:
        if store is not None:
            store.log_file(row_id, File(path))


@contextlib.contextmanager
def _existing_store() -> Iterator[Store | None]:
    """Lend the store, connected; None where there is none yet. Any failure in the block becomes a `GanpipeError`."""
    uri = store_uri()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        yield None
        return
    try:
        store = Store(uri)
        with store.locked():
            store.connect()
        yield store
    except GanpipeError:
        raise
    except Exception as error:  # whatever a store, a network or a disk may come up with
        raise GanpipeError(f"MLflow at {uri} unreachable ({courier.first_line(error)})") from error


class Store:
    """The part of MLflow that ganpipe uses, on one experiment. Any method may raise anything MLflow raises."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._experiment = ""
        self._client: MlflowClient

    def locked(self) -> FileLock:
        """Return the lock that lets one process at a time create the store, or find, create and close rows."""
        store_lock().parent.mkdir(parents=True, exist_ok=True)
        return FileLock(store_lock(), timeout=LOCK_SECONDS)

    def connect(self) -> str:
        """Open the store, creating it and the experiment if need be; return the experiment's id. To be locked."""
        if self._experiment:
            return self._experiment
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        file = sqlite_file(self._uri)
        if file is not None:
            _check_sqlite(file)
        from mlflow import MlflowClient

        self._client = MlflowClient(self._uri)
        self._experiment = self._find_experiment()
        return self._experiment

    def rows(self, key: str) -> list[Found]:
        """Return the rows of one experiment, first attempt first."""
        return sorted(self._search(f"tags.`ganpipe.key` = '{key}'"), key=lambda row: row.attempt)

    def running(self, host: str) -> list[Found]:
        """Return the rows that say they are being written on this machine."""
        quoted = host.replace("'", "\\'")
        return self._search(f"attributes.status = 'RUNNING' and tags.`ganpipe.host` = '{quoted}'")

    def create(self, name: str, tags: Mapping[str, str]) -> Found:
        """Make a row with status RUNNING."""
        return _found(self._client.create_run(self._experiment, tags=_cut(tags), run_name=name))

    def describe(self, row_id: str, params: Mapping[str, str], dataset: str, data_sha256: str) -> None:
        """Log the parameters and the data set; its name and digest have a column of their own in the UI."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        # A prefix of our own digest: MLflow would compute one from the whole data.
        data = Dataset(dataset, data_sha256[:8], "local", json.dumps({"uri": "data/packed/data.h5"}))
        self._client.log_inputs(row_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        entities = [Param(key, value) for key, value in params.items()]
        for start in range(0, len(entities), _PARAMS_PER_BATCH):
            self._client.log_batch(row_id, params=entities[start : start + _PARAMS_PER_BATCH], synchronous=True)

    def log(self, row_id: str, curve: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Log metrics in as few batches as possible, the tags in the same transaction as the last of them."""
        from mlflow.entities import Metric, RunTag

        metrics = [Metric(point.key, point.value, point.milliseconds, point.step) for point in curve]
        while len(metrics) > courier.LONGEST_BATCH:
            self._client.log_batch(row_id, metrics[: courier.LONGEST_BATCH], synchronous=True)
            metrics = metrics[courier.LONGEST_BATCH :]
        entities = [RunTag(key, value) for key, value in _cut(tags).items()]
        self._client.log_batch(row_id, metrics, tags=entities, synchronous=True)

    def log_file(self, row_id: str, file: File) -> None:
        """Keep a file with the row."""
        if not file.path.is_file():
            raise FileNotFoundError(f"{file.path}: no such file")  # before MLflow asks the server where to put it
        self._client.log_artifact(row_id, str(file.path), file.folder)

    def log_text(self, row_id: str, text: Text) -> None:
        """Keep a text with the row."""
        self._client.log_text(row_id, text.text, text.name)

    def log_picture(self, row_id: str, picture: Picture, image: Image.Image) -> None:
        """Show a picture with a slider over the steps."""
        self._client.log_image(row_id, image, key=picture.key, step=picture.step, synchronous=True)

    def curve(self, row_id: str, key: str) -> dict[int, float]:
        """Return the values of one metric by step."""
        return {metric.step: metric.value for metric in self._client.get_metric_history(row_id, key)}

    def pictures(self, row_id: str) -> set[tuple[str, int]]:
        """Return key and step of the pictures that are there; the thumbnail is written last and so vouches for both."""
        names = [Path(file.path).name for file in self._client.list_artifacts(row_id, "images")]
        parts = [re.fullmatch(r"(.+)\+step\+(\d+)\+timestamp\+.+\+compressed\.webp", name) for name in names]
        return {(part[1].replace("~", "/"), int(part[2])) for part in parts if part}

    def runs(self) -> list[Run]:
        """Return all rows, newest first."""
        found: list[Run] = []
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs(
                [self._experiment], order_by=["attributes.start_time DESC"], page_token=token or None
            )
            found += page
            token = page.token or None
        return found

    def named(self, name: str) -> Run | None:
        """Return the newest row of that name, or the one row whose id begins so. Raises `DataError` for several."""
        runs = self.runs()
        if called := [run for run in runs if run.info.run_name == name]:
            return called[0]
        begin = [run for run in runs if len(name) >= _SHORTEST_ID and run.info.run_id.startswith(name)]
        if len(begin) > 1:
            raise DataError(f"{name!r} begins the ids of {len(begin)} MLflow rows: give more characters of it")
        return begin[0] if begin else None

    def read(self, run: Run, into: Path) -> Experiment:
        """Copy curves, scores and pictures of a row to the folder `into`; return them with what describes it."""
        into.mkdir(parents=True, exist_ok=True)
        kept = self._client.list_artifacts(run.info.run_id) + self._client.list_artifacts(run.info.run_id, "samples")
        for file in kept:
            if not file.is_dir and Path(file.path).suffix in _REPORTED:
                came = self._client.download_artifacts(run.info.run_id, file.path, str(into))
                (into / file.path).parent.mkdir(exist_ok=True)
                Path(came).replace(into / file.path)  # some stores keep the folder of a file, some do not
        if not (into / HISTORY.name).exists() and (rows := self._live_history(run)):
            write_csv(into / HISTORY.name, rows)
        tags = run.data.tags
        return Experiment(
            name=_found(run).name,
            origin=f"MLflow row {run.info.run_id[:8]}",
            folder=into,
            params={key: _value(text) for key, text in run.data.params.items()},
            facts=row_facts(tags, run.data.metrics),
            recorded=recorded_by(_found(run).name),
            data_sha256=tags.get("ganpipe.data_sha256", ""),
            row_id=run.info.run_id,
        )

    def _live_history(self, run: Run) -> list[dict[str, float]]:
        """Return the training history of a row that has no file of it yet, from its metrics."""
        rows: dict[int, dict[str, float]] = {}
        for key in run.data.metrics:
            if key.startswith(TRAIN_PREFIX):
                for step, value in self.curve(run.info.run_id, key).items():
                    rows.setdefault(step, {"kimg": step / 1000})[key.removeprefix(TRAIN_PREFIX)] = value
        return [rows[step] for step in sorted(rows)]

    def set_status(self, row_id: str, status: str) -> None:
        """Set RUNNING, FINISHED, FAILED or KILLED."""
        if status == "RUNNING":
            self._client.update_run(row_id, status)
        else:
            self._client.set_terminated(row_id, status, now())

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            location = None if is_server(self._uri) else artifact_root().as_uri()
            return self._client.create_experiment(EXPERIMENT, artifact_location=location)
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _search(self, condition: str) -> list[Found]:
        return [_found(run) for run in self._client.search_runs([self._experiment], condition)]


def _check_sqlite(file: Path) -> None:
    """Announce a store that is about to be created; raise at once for one that cannot be opened.

    MLflow would try that again and again for a minute and a half.
    """
    if not file.exists():
        _say(f"Creating the MLflow store {file}")
        file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA schema_version")


def _value(text: str) -> object:
    """Return a parameter as it was before `description.row_params` made a text of it."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _found(run: Run) -> Found:
    return Found(
        id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        status=run.info.status,
        tags=run.data.tags,
        metrics=frozenset(run.data.metrics),
        described=bool(run.data.params),
    )


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:_TAG_LENGTH] for key, value in tags.items()}


def _status_after(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        by_signal = (128 + signal.SIGINT, 128 + signal.SIGTERM)
        return "KILLED" if error.code in by_signal else "FAILED" if error.code else "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
