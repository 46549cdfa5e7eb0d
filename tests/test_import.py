"""`import ganpipe` in a folder that holds a checkout in a plain folder of the same name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY
from miniatures import miniature

from ganpipe import __version__, paths
from ganpipe.config import Params

INSTALLS = [REPOSITORY / "Makefile", REPOSITORY / "README.md"]


def notebook_lines() -> str:
    """The Python lines of README that load a generator."""
    (lines,) = (
        code
        for code in re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
        if "load_generator" in code
    )
    return lines


def run(code: str, folder: Path) -> str:
    """Run Python in a folder as a notebook there would: it finds what is installed and what lies in the folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-c", code]  # like a notebook, it looks for modules in the current folder first
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def beside(tmp_path: Path, workspace: Callable[[str], Params], trained: Callable[[Params], None]) -> Path:
    """A folder with a trained generator in data/model, and a checkout in the plain folder ganpipe."""
    trained(miniature(workspace("digits-cgan-heads")))
    for name in ("ganpipe", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, tmp_path / "ganpipe" / name, ignore=ignored)
    assert not (tmp_path / "ganpipe/__init__.py").exists()
    assert (tmp_path / "ganpipe/ganpipe/__init__.py").is_file()
    return tmp_path


def test_the_notebook_lines_work_beside_a_checkout_as_they_stand_in_readme(beside: Path) -> None:
    assert str(paths.MODEL) in notebook_lines()
    out = run(f"{notebook_lines()}\nprint(images.dtype, *images.shape, ganpipe.__version__, ganpipe.__file__)", beside)
    *found, file = out.split()
    assert found == ["uint8", "16", "28", "28", "1", __version__]
    assert Path(file).name == "__init__.py"
    assert not Path(file).is_relative_to(beside), "the installed package, not the folder"


@pytest.mark.parametrize("file", INSTALLS, ids=lambda file: file.name)
def test_every_installation_that_is_documented_is_one_that_such_a_folder_does_not_hide(file: Path) -> None:
    """Without `compat` setuptools installs an import hook that is asked only after the folders of `sys.path`."""
    lines = [line for line in file.read_text().splitlines() if "--editable ." in line]
    assert lines
    assert all("editable_mode=compat" in line for line in lines)
