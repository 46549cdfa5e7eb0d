"""The places of the MLflow store, its artifacts and its locks, always below the user's main checkout."""

from __future__ import annotations

import os
from pathlib import Path

from ganpipe.errors import ConfigError
from ganpipe.paths import main_root, state_dir
from ganpipe.words import address

EXPERIMENT = "ganpipe"
_SQLITE = "sqlite:///"


def store_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or the sqlite file of the main checkout; never relative to the current folder.

    MLflow looks for a relative sqlite file in the current folder: in a queued experiment a copy that DVC deletes.
    Raises `ConfigError` for the address of a server that is none.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    if uri.startswith(_SQLITE):
        return _SQLITE + str(main_root() / uri.removeprefix(_SQLITE))
    if is_server(uri):
        try:
            address(uri)
        except ValueError as problem:
            raise ConfigError(f"MLFLOW_TRACKING_URI = {uri!r} {problem}") from None
    return uri


def is_server(uri: str) -> bool:
    """Whether the store is a tracking server. A server keeps the artifacts itself."""
    return uri.startswith(("http://", "https://"))


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of a sqlite store, None for any other store."""
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def artifact_root() -> Path:
    """Return the folder of all artifacts, for a store that is no tracking server."""
    return main_root() / "mlartifacts"


def store_lock() -> Path:
    """Return the lock file that is held to create the store and to find, create or close runs."""
    return state_dir() / "mlflow.lock"


def run_lock(run_id: str) -> Path:
    """Return the lock file that a process holds for as long as it writes to a run."""
    return state_dir() / "runs" / f"{run_id}.lock"
