"""The main checkout is found from everywhere a stage may run."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import REPOSITORY

from ganpipe.config import read_yaml
from ganpipe.paths import PIPELINE, main_root, state_dir


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_nearest_folder_with_dvc(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "notebooks" / "deep").mkdir(parents=True)
    monkeypatch.chdir(checkout / "notebooks" / "deep")
    assert main_root() == checkout
    assert state_dir() == checkout / ".ganpipe"


def test_what_dvc_names(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(checkout))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main_root() == checkout


@pytest.mark.parametrize("copy", [".dvc/tmp/exps/standalone/tmpabc", ".dvc/tmp/exps/tmpabc"])
def test_a_copy_of_dvc_belongs_to_its_checkout(copy: str, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / copy / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(checkout / copy)
    assert main_root() == checkout


def test_a_stale_name_is_not_believed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(checkout / "gone"))
    assert main_root() == checkout


def test_without_dvc_it_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main_root() == tmp_path


def outputs() -> list[Path]:
    """All files and folders that the stages of dvc.yaml make."""
    stages = read_yaml(REPOSITORY / PIPELINE)["stages"].values()
    entries = [entry for stage in stages for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, ())]
    return sorted(Path(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries)


def test_git_ignores_what_the_stages_make_before_dvc_says_so() -> None:
    """Otherwise DVC changes these files at the first `dvc repro`, and a fresh clone is no longer clean."""
    files = sorted((REPOSITORY / "data").glob("**/.gitignore"))
    listed = [file.relative_to(REPOSITORY).parent / line[1:] for file in files for line in file.read_text().split()]
    assert sorted(listed) == outputs()
