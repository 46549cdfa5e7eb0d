"""Attaching a written page to the MLflow run it shows. The page stays where it is if MLflow cannot be reached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganpipe.errors import GanpipeError
from ganpipe.params import load
from ganpipe.tracking.api import keep_file, run_of_workspace
from ganpipe.tracking.experiment import Experiment


def attach_to_workspace_run(page: Path) -> str:
    """Attach a report to the run of the current folder, if there is one. Returns one line that says what was done."""
    try:
        run = run_of_workspace(load())
        if run is None:
            return "MLflow has no run of this workspace to attach it to: `ganpipe track sync` makes one."
        keep_file(run.id, page)
    except GanpipeError as error:
        return f"Not attached to an MLflow run: {error}"
    return f"Attached to the MLflow run {run.name}."


def attach_to_first_run(page: Path, experiments: Sequence[Experiment]) -> str:
    """Attach a comparison to the first of its experiments that is a run. Returns one line that says what was done."""
    run = next((experiment for experiment in experiments if experiment.run_id), None)
    if run is None:
        return "Attached to no MLflow run: none of these experiments is one."
    try:
        keep_file(run.run_id, page)
    except GanpipeError as error:
        return f"Not attached to an MLflow run: {error}"
    return f"Attached to the MLflow run {run.name}."
