"""An experiment as plain files and facts, wherever it was read from: the material of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Experiment:
    """An experiment; `folder` is laid out as `data/` of a workspace, and any file may be missing from it."""

    name: str
    origin: str  # where it was read from, for a person
    folder: Path
    params: Mapping[str, Any]  # with dotted keys
    facts: Mapping[str, str] = field(default_factory=dict)  # versions, device and commit it was computed with
    recorded: str = ""  # who recorded the facts, or when, for a person
    data_sha256: str = ""  # content of the packed data; empty where it is not known
    run_id: str = ""  # of its MLflow run, empty where it was not read from one


def recorded_by(run: str) -> str:
    """Return who recorded the facts of an experiment that has a run of this name."""
    return f"by the MLflow run {run}"
