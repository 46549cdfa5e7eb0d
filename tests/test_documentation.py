"""What the documentation tells a reader to do works when done literally."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

GUIDE = REPOSITORY / "docs" / "adding-a-system.md"

TRAIN = """
from conftest import REPOSITORY
from ganpipe import paths, recipes
from ganpipe.config import Data, load_params
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.sampling.published import load_generator
from ganpipe.params import load
from ganpipe.training.stage import train
from miniatures import miniature
recipes.use("digits-dragan", paths.PARAMS)
params = miniature(load())
download(params.data, paths.RAW)
pack(params.data, paths.RAW, paths.PACKED)
train(params, "fingerprint")
print(recipes.__file__, load_generator(paths.MODEL).sample(3).shape)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its tests, to be changed as the guide says."""
    for name in ("ganpipe", "tests"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def test_the_guide_to_adding_a_system(copy: Path) -> None:
    code, line, test = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (section,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    paths = re.findall(r"^## \d\. .*: `(.*)`$", GUIDE.read_text(), re.MULTILINE)
    assert paths == [
        "ganpipe/systems/dragan.py",
        "ganpipe/systems/__init__.py",
        "ganpipe/recipes/digits-dragan.yaml",
        "tests/systems/test_dragan.py",
    ]
    (copy / paths[0]).write_text(code)
    table = (copy / paths[1]).read_text()
    (copy / paths[1]).write_text(table.replace("SYSTEMS = {\n", "SYSTEMS = {\n" + line))
    recipe = (copy / "ganpipe/recipes/digits-dcgan.yaml").read_text()
    (copy / paths[2]).write_text(re.sub(r"^system:.*?\n\n", section + "\n", recipe, flags=re.DOTALL | re.MULTILINE))
    (copy / paths[3]).write_text(test)

    environment = {"PYTHONPATH": f"{copy}:{copy / 'tests'}", "PATH": "", "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "1 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", paths[3])
    out = run("-c", TRAIN)
    assert str(copy) in out
    assert "(3, 28, 28, 1)" in out
    assert len(code.splitlines()) < 60


def test_the_readme_names_files_that_exist() -> None:
    text = (REPOSITORY / "README.md").read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (REPOSITORY / target).exists(), target
