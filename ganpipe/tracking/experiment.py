"""One finished or running experiment as plain files and facts, wherever it was read from: what reports are made of."""

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
    facts: Mapping[str, str] = field(default_factory=dict)  # versions, device and commit of what computed it
    recorded: str = ""  # by whom or when the facts were, for a person
    data_sha256: str = ""  # content of the packed data; empty where it is not known
    row_id: str = ""  # of its MLflow row, empty where it was not read from one


def recorded_by(row: str) -> str:
    """Return who recorded the facts of an experiment that has a row of this name."""
    return f"by the MLflow row {row}"
