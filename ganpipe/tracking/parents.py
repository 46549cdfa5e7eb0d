"""The run of a whole sweep: its children are the runs of the trials, which name it in a tag."""

from __future__ import annotations

from collections.abc import Mapping

from ganpipe.errors import GanpipeError
from ganpipe.tracking.api import existing_store, one_line_failures, open_experiment
from ganpipe.tracking.entries import Point, now
from ganpipe.tracking.locations import store_uri

_MARK = "ganpipe.sweep.parent"


def open_parent(name: str, tags: Mapping[str, str]) -> str:
    """Find or make the run of a sweep; return its id. Raises `GanpipeError` where the store is out of reach."""
    with one_line_failures(store_uri()):
        open_experiment()
    with existing_store() as store:
        assert store is not None
        with store.locked():
            run = store.tagged(_MARK, name) or store.create(name, {**tags, _MARK: name})
        store.set_status(run.id, "RUNNING")
        return run.id


def note_progress(run_id: str, done: int, values: Mapping[str, float], tags: Mapping[str, str], ended: bool) -> None:
    """Write how many trials have ended, and scores and tags of the best, to the run of a sweep. Raises as above."""
    with existing_store() as store:
        if store is None:
            raise GanpipeError("the store of MLflow is gone")
        points = [Point(f"sweep/{key}", value, done, now()) for key, value in {**values, "trials": done}.items()]
        store.log(run_id, points, tags)
        if ended:
            store.set_status(run_id, "FINISHED")
