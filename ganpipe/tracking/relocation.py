"""Keeping the artifacts of a store that was moved or copied with its checkout.

MLflow writes absolute addresses of artifacts into its database. The database of a checkout is read and written with the
artifacts beside it, so that a copy neither loses its pictures nor writes into the place that it was copied from.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from ganpipe.paths import main_root
from ganpipe.tracking.locations import EXPERIMENT, artifact_root

_ADDRESSES = (  # table and column
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


def point_to_own_artifacts(file: Path) -> None:
    """Make the addresses of artifacts in an sqlite store of this checkout begin with `artifact_root`.

    A store elsewhere is shared by checkouts, and stays as it is. The caller holds the lock of the store.
    """
    if not file.is_relative_to(main_root()):
        return
    here = artifact_root().as_uri()
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "experiments" not in tables:
            return
        found = database.execute("SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)).fetchone()
        there = str(found[0]) if found else here
        if there == here or not there.startswith("file:"):  # a server keeps the artifacts of what it has made
            return
        for table, column in _ADDRESSES:
            if table in tables:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {column} LIKE ?",
                    (here, len(there) + 1, there, f"{there}/%"),
                )
