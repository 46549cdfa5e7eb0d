"""What the documentation tells a reader to do works when done literally."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

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


PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
HOUSE = REPOSITORY / "docs" / "pictures" / "house.svg"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target, heading in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not heading or heading in headings(file), f"{target}#{heading}"


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_architecture_page_names_files_that_exist() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:ganpipe|tests|stages)/[\w./-]*)`", text)
    assert len(named) > 15
    assert not [name for name in named if not (REPOSITORY / name).exists()]
    stages = re.findall(r"^\| `stages\.(\w+)` \| `(.*?)` ", text, re.MULTILINE)
    assert {name for name, _ in stages} == {path.stem for path in (REPOSITORY / "stages").glob("[a-z]*.py")}
    for name, body in stages:
        imported = body.removesuffix(".py").replace("/", ".")
        assert f"from {imported} import" in (REPOSITORY / "stages" / f"{name}.py").read_text()


def rooms() -> list[str]:
    """The modules and packages in the picture of the house, from the ground to the roof, each floor from the left."""
    labels = [element for element in ElementTree.parse(HOUSE).iter() if element.tag.endswith("}text")]
    labels = [label for label in labels if "fill" not in label.attrib]  # grey text explains
    found = []
    for label in sorted(labels, key=lambda label: (-float(label.attrib["y"]), float(label.attrib["x"]))):
        package, _, modules = re.sub(r" \(.*\)", "", label.text or "").rpartition(": ")
        found += [f"{package}.{module}".lstrip(".") for module in modules.split(", ")]
    return found


def test_every_import_runs_down_or_left_in_the_picture_of_the_house() -> None:
    order = rooms()

    def place(module: str) -> int:
        found = [room for room in order if f"{module}.".startswith(f"{room}.")]
        assert found, f"{module} has no room in {HOUSE.name}"
        return order.index(max(found, key=len))

    for file in [*(REPOSITORY / "ganpipe").rglob("*.py"), *(REPOSITORY / "stages").glob("*.py")]:
        module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        if module != "ganpipe":
            for imported in imports(file):
                assert place(imported) <= place(module.removeprefix("ganpipe.")), f"{module} imports {imported}"


def imports(file: Path) -> Iterator[str]:
    """The modules of ganpipe that a file imports, without `ganpipe.` before them."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("ganpipe."):
            for name in node.names:
                if name.name != "__version__":
                    yield f"{node.module}.{name.name}".removeprefix("ganpipe.")
