"""The MLflow store: all that ganpipe reads and writes there. Beside `models`, the only file that imports MLflow.

MLflow takes seconds to import, so it is imported when a store is first connected to. Only `MlflowClient` with an
explicit address is used, none of MLflow's global state.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock
from PIL import Image

from ganpipe.errors import DataError
from ganpipe.files import write_json
from ganpipe.history.table import write_csv
from ganpipe.paths import HISTORY, METRICS
from ganpipe.tracking.entries import LONGEST_BATCH, File, Picture, Point, Text, nested_scores, now
from ganpipe.tracking.experiment import Experiment, recorded_by
from ganpipe.tracking.locations import EXPERIMENT, artifact_root, is_server, sqlite_file, store_lock
from ganpipe.tracking.relocation import point_to_own_artifacts
from ganpipe.tracking.run_metadata import run_facts
from ganpipe.tracking.stage_outputs import STAGES, TRAIN_PREFIX, StageOutputs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

LOCK_SECONDS = 600.0
"""How long to wait for other processes that create the store or a run. The lock of a process dies with it."""

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own default hangs for four minutes on a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of runs that we only close, too
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # its errors reach the user through us, in one line
}
_TAG_LENGTH = 8000  # characters, MLflow's limit
_PARAMS_PER_BATCH = 100  # MLflow's limit
_REPORTED = (".csv", ".json", ".png")  # the files of a run that reports read
_SHORTEST_ID = 4  # characters of a run id that may stand for it


@dataclass(frozen=True)
class StoredRun:
    """A run as the store held it at the moment of reading."""

    id: str
    name: str
    status: str
    tags: Mapping[str, str]
    metrics: frozenset[str] = frozenset()  # keys that have points
    described: bool = False  # whether params and data set have been logged

    @property
    def attempt(self) -> int:
        """The number of this run among those of the same experiment, from 1."""
        return int(self.tags.get("ganpipe.attempt", "1"))

    def has_outputs(self, stage: str) -> bool:
        """Whether the outputs of `stage` are complete in this run."""
        return f"ganpipe.slot.{stage}" in self.tags

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished and has the outputs of all stages."""
        return self.status == "FINISHED" and all(map(self.has_outputs, STAGES))

    def agrees(self, stage: str, outputs: StageOutputs | None) -> bool:
        """Whether the run holds exactly these outputs of `stage`, or none yet. Absent outputs agree with any run."""
        return outputs is None or self.tags.get(f"ganpipe.digest.{stage}", outputs.digest) == outputs.digest


class Store:
    """The runs of our one MLflow experiment. Any method may raise anything MLflow raises."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._experiment = ""
        self._client: MlflowClient
        self.answered = 0
        """How many calls MLflow has answered so far: a sign of life."""

    def load(self) -> None:
        """Import MLflow, as quiet as we want it, with what it would import later for a database. Writes nothing."""
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        import mlflow  # noqa: F401

        if not is_server(self.uri):
            for name in ("alembic.command", "mlflow.store.tracking.sqlalchemy_workspace_store"):
                importlib.import_module(name)

    def locked(self) -> FileLock:
        """Return the lock that lets one process at a time create the store, or find, create and close runs.

        MLflow is imported before the lock is held: that takes seconds, and others wait for the lock.
        """
        self.load()
        store_lock().parent.mkdir(parents=True, exist_ok=True)
        return FileLock(store_lock(), timeout=LOCK_SECONDS)

    def connect(self) -> str:
        """Open the store, create it and the experiment if necessary, and return the experiment's id.

        The caller holds `locked`.
        """
        if self._experiment:
            return self._experiment
        file = sqlite_file(self.uri)
        if file is not None:
            _check_sqlite(file)
            point_to_own_artifacts(file)
        from mlflow import MlflowClient

        self._client = cast("MlflowClient", _Counted(MlflowClient(self.uri), self))
        self._experiment = self._find_experiment()
        return self._experiment

    def address(self, run_id: str) -> str:
        """Return the address of a run in the UI of a tracking server; empty for any other store."""
        return f"{self.uri.rstrip('/')}/#/experiments/{self._experiment}/runs/{run_id}" if is_server(self.uri) else ""

    def attempts(self, key: str) -> list[StoredRun]:
        """Return the runs of the experiment with the fingerprint `key`, first attempt first."""
        return sorted(self._search(f"tags.`ganpipe.key` = '{key}'"), key=lambda run: run.attempt)

    def tagged(self, key: str, value: str) -> StoredRun | None:
        """Return a run with this tag, None if there is none."""
        return next(iter(self._search(f"tags.`{key}` = '{value}'")), None)

    def running(self, host: str) -> list[StoredRun]:
        """Return the runs with status RUNNING that were started on this machine."""
        quoted = host.replace("'", "\\'")
        return self._search(f"attributes.status = 'RUNNING' and tags.`ganpipe.host` = '{quoted}'")

    def create(self, name: str, tags: Mapping[str, str]) -> StoredRun:
        """Make a run with status RUNNING."""
        return _stored(self._client.create_run(self._experiment, tags=_cut(tags), run_name=name))

    def describe(self, run_id: str, params: Mapping[str, str], dataset: str, data_sha256: str) -> None:
        """Log the parameters and the data set; its name and digest have a column of their own in the UI."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        # A prefix of our own digest: MLflow would compute one from the whole data.
        data = Dataset(dataset, data_sha256[:8], "local", json.dumps({"uri": "data/packed/data.h5"}))
        self._client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        entities = [Param(key, value) for key, value in params.items()]
        for start in range(0, len(entities), _PARAMS_PER_BATCH):
            self._client.log_batch(run_id, params=entities[start : start + _PARAMS_PER_BATCH], synchronous=True)

    def log(self, run_id: str, curve: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Log metrics in as few batches as possible, the tags in the same transaction as the last of them."""
        from mlflow.entities import Metric, RunTag

        metrics = [Metric(point.key, point.value, point.milliseconds, point.step) for point in curve]
        while len(metrics) > LONGEST_BATCH:
            self._client.log_batch(run_id, metrics[:LONGEST_BATCH], synchronous=True)
            metrics = metrics[LONGEST_BATCH:]
        entities = [RunTag(key, value) for key, value in _cut(tags).items()]
        self._client.log_batch(run_id, metrics, tags=entities, synchronous=True)

    def log_file(self, run_id: str, file: File) -> None:
        """Copy a file to the run, in the place of one of the same name."""
        if not file.path.is_file():
            raise FileNotFoundError(f"{file.path}: no such file")  # before MLflow asks the server where to put it
        self._client.log_artifact(run_id, str(file.path), file.folder)

    def log_text(self, run_id: str, text: Text) -> None:
        """Write a text to a file of the run."""
        self._client.log_text(run_id, text.text, text.name)

    def log_folder(self, run_id: str, folder: Path, into: str) -> None:
        """Copy what is in a folder to the folder `into` of the run, in the place of files of the same names."""
        self._client.log_artifacts(run_id, str(folder), into)

    def register(self, name: str, run_id: str, folder: str, tags: Mapping[str, str], description: str) -> str:
        """Make a folder of a run the next version of the registered model `name`; return the address of the version."""
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"runs:/{run_id}/{folder}"
        made = self._client.create_model_version(name, source, run_id, tags=_cut(tags), description=description)
        return f"models:/{name}/{made.version}"

    def log_picture(self, run_id: str, picture: Picture, image: Image.Image) -> None:
        """Show a picture with a slider over the steps."""
        self._client.log_image(run_id, image, key=picture.key, step=picture.step, synchronous=True)

    def curve(self, run_id: str, key: str) -> dict[int, float]:
        """Return the values of one metric by step."""
        return {metric.step: metric.value for metric in self._client.get_metric_history(run_id, key)}

    def pictures(self, run_id: str) -> set[tuple[str, int]]:
        """Return key and step of the complete pictures. MLflow writes the thumbnail of a picture last."""
        names = [Path(file.path).name for file in self._client.list_artifacts(run_id, "images")]
        parts = [re.fullmatch(r"(.+)\+step\+(\d+)\+timestamp\+.+\+compressed\.webp", name) for name in names]
        return {(part[1].replace("~", "/"), int(part[2])) for part in parts if part}

    def names(self) -> list[str]:
        """Return the names of all runs, newest first."""
        return [_stored(run).name for run in self._runs()]

    def read(self, name: str, into: Path) -> Experiment | None:
        """Copy curves, scores and pictures of a run to a folder named by its id below `into`; return what describes it.

        `name` is the name of a run (the newest of several) or the beginning of one id. Returns None for an unknown one.
        Raises `DataError` for the beginning of several ids.
        """
        run = self._named(name)
        if run is None:
            return None
        stored, folder = _stored(run), into / run.info.run_id
        self._copy_files(stored.id, folder)
        if not (folder / HISTORY.name).exists() and (history := self._live_history(stored)):
            write_csv(folder / HISTORY.name, history)
        if not (folder / METRICS.name).exists() and (scores := nested_scores(run.data.metrics, stored.tags)):
            write_json(folder / METRICS.name, scores)
        return Experiment(
            name=stored.name,
            origin=f"MLflow run {stored.id[:8]}",
            folder=folder,
            params={key: _value(text) for key, text in run.data.params.items()},
            facts=run_facts(stored.tags, stored.metrics),
            recorded=recorded_by(stored.name),
            data_sha256=stored.tags.get("ganpipe.data_sha256", ""),
            run_id=stored.id,
        )

    def find(self, name: str) -> StoredRun | None:
        """Return the run of this name or beginning of an id, as in `read`."""
        run = self._named(name)
        return _stored(run) if run else None

    def copy(self, run_id: str, name: str, into: Path) -> Path | None:
        """Copy a file or folder of a run to the folder `into`; return where it is, None if the run has none such."""
        if name not in {file.path for file in self._client.list_artifacts(run_id)}:
            return None
        into.mkdir(parents=True, exist_ok=True)
        return Path(self._client.download_artifacts(run_id, name, str(into)))

    def download(self, address: str, into: Path) -> Path | None:
        """Copy the model at an address such as `models:/NAME/1` or `runs:/ID/model`; None if there is no such model."""
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        into.mkdir(parents=True, exist_ok=True)
        try:
            return Path(download_artifacts(address, dst_path=str(into), tracking_uri=self.uri, registry_uri=self.uri))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def scalars(self, run_id: str) -> Mapping[str, float]:
        """Return the newest value of each metric of a run."""
        return dict(self._client.get_run(run_id).data.metrics)

    def synced_commits(self) -> set[str]:
        """Return the commits of DVC's experiments whose runs are complete."""
        stored = map(_stored, self._runs())
        return {run.tags["dvc.exp.commit"] for run in stored if "dvc.exp.commit" in run.tags and run.is_complete}

    def set_status(self, run_id: str, status: str) -> None:
        """Set RUNNING, FINISHED, FAILED or KILLED."""
        if status == "RUNNING":
            self._client.update_run(run_id, status)
        else:
            self._client.set_terminated(run_id, status, now())

    def _named(self, name: str) -> MlflowRun | None:
        runs = self._runs()
        if called := [run for run in runs if run.info.run_name == name]:
            return called[0]
        begin = [run for run in runs if len(name) >= _SHORTEST_ID and run.info.run_id.startswith(name)]
        if len(begin) > 1:
            raise DataError(f"{name!r} begins the ids of {len(begin)} MLflow runs: give more characters of it")
        return begin[0] if begin else None

    def _runs(self) -> list[MlflowRun]:
        """Return all runs, newest first."""
        found: list[MlflowRun] = []
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs(
                [self._experiment], order_by=["attributes.start_time DESC"], page_token=token or None
            )
            found += page
            token = page.token or None
        return found

    def _copy_files(self, run_id: str, into: Path) -> None:
        """Copy the files that reports read, with their folders."""
        into.mkdir(parents=True, exist_ok=True)
        files = self._client.list_artifacts(run_id) + self._client.list_artifacts(run_id, "samples")
        for file in files:
            if not file.is_dir and Path(file.path).suffix in _REPORTED:
                came = self._client.download_artifacts(run_id, file.path, str(into))
                (into / file.path).parent.mkdir(exist_ok=True)
                Path(came).replace(into / file.path)  # some stores keep the folder of a file, some do not

    def _live_history(self, run: StoredRun) -> list[dict[str, float]]:
        """Return the training history of a run that has no file of it yet, from its metrics."""
        history: dict[int, dict[str, float]] = {}
        for key in run.metrics:
            if key.startswith(TRAIN_PREFIX):
                for step, value in self.curve(run.id, key).items():
                    history.setdefault(step, {"kimg": step / 1000})[key.removeprefix(TRAIN_PREFIX)] = value
        return [history[step] for step in sorted(history)]

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            location = None if is_server(self.uri) else artifact_root().as_uri()
            return self._client.create_experiment(EXPERIMENT, artifact_location=location)
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _search(self, condition: str) -> list[StoredRun]:
        return [_stored(run) for run in self._client.search_runs([self._experiment], condition)]


class _Counted:
    """An MLflow client that adds each call that returns to `store.answered`."""

    def __init__(self, client: MlflowClient, store: Store) -> None:
        self._client, self._store = client, store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            answer = method(*arguments, **named)
            self._store.answered += 1
            return answer

        return counted


def _check_sqlite(file: Path) -> None:
    """Announce a store that is about to be created; raise at once for one that cannot be opened.

    MLflow would try that again and again for a minute and a half.
    """
    if not file.exists():
        print(f"Creating the MLflow store {file}", file=sys.stderr, flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA schema_version")


def _value(text: str) -> object:
    """Return a parameter as it was before `run_metadata.run_params` made a text of it."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _stored(run: MlflowRun) -> StoredRun:
    return StoredRun(
        id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        status=run.info.status,
        tags=run.data.tags,
        metrics=frozenset(run.data.metrics),
        described=bool(run.data.params),
    )


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:_TAG_LENGTH] for key, value in tags.items()}
