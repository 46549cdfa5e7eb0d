"""What several workers of one test run share is made by the first of them that asks for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from pytest import TempPathFactory


def shared_folder(factory: TempPathFactory, name: str) -> Path:
    """Return a folder that all workers of this test run see, and that pytest removes with its other folders."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    folder.mkdir(exist_ok=True)
    return folder


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make` in the first process that asks; the others wait for it.

    `make` is given an empty folder. If it raises, the next process to ask tries again.
    """
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
                make(made := Path(unfinished) / "made")
                made.rename(folder)
    return folder
