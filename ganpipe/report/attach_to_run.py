"""Keeping a written page with the MLflow row it shows. An MLflow out of reach never loses a page: it costs a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganpipe.errors import GanpipeError
from ganpipe.params import load
from ganpipe.tracking.api import keep_file, run_of_workspace
from ganpipe.tracking.experiment import Experiment


def keep_with_workspace(page: Path) -> str:
    """Keep a report with the row of the current folder, if there is one; return in one line what was done."""
    try:
        row = run_of_workspace(load())
        if row is None:
            return "MLflow has no row of this workspace to keep it with: `ganpipe track sync` makes one."
        keep_file(row.id, page)
    except GanpipeError as error:
        return f"Not kept with an MLflow row: {error}"
    return f"Kept with the MLflow row {row.name}."


def keep_with_first(page: Path, experiments: Sequence[Experiment]) -> str:
    """Keep a comparison with the first of its experiments that is a row; return in one line what was done."""
    row = next((experiment for experiment in experiments if experiment.run_id), None)
    if row is None:
        return "Kept with no MLflow row: none of these is one."
    try:
        keep_file(row.run_id, page)
    except GanpipeError as error:
        return f"Not kept with an MLflow row: {error}"
    return f"Kept with the MLflow row {row.name}."
