"""What the documentation tells a reader to do works when done literally."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image

GUIDE = REPOSITORY / "docs" / "adding-a-system.md"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
HOUSE = REPOSITORY / "docs" / "pictures" / "house.svg"

PIPELINE = """
import sys
from ganpipe import paths, recipes
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.stage import evaluate
from ganpipe.params import load
from ganpipe.sampling.published import load_generator
from miniatures import miniature, sample, train
recipes.use(sys.argv[1], paths.PARAMS)
params = miniature(load())
download(params.data, paths.RAW)
pack(params.data, paths.RAW, paths.PACKED)
train(params, "fingerprint")
sample(params)
if sys.argv[2:] == ["evaluate"]:
    prepare_reference(params, paths.PACKED, paths.REFERENCE)
    evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)
print(recipes.__file__, load_generator(paths.MODEL).data.name)
"""


class Guide:
    """A copy of the package and its tests, to be changed as the guide says."""

    def __init__(self, folder: Path) -> None:
        for name in ("ganpipe", "tests"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / ".dvc").mkdir()
        self.folder = folder

    def follow(self, title: str) -> list[str]:
        """Write the files of one example; return their names."""
        (example,) = re.findall(rf"^# {title}\n(.*?)(?=^# |\Z)", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
        steps = re.findall(r"^## \d\. .*?: `(\S+)`\n(.*?)(?=^## |\Z)", example, re.DOTALL | re.MULTILINE)
        for name, text in steps:
            python, yaml = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "yaml"))
            if name.endswith("systems/__init__.py"):
                table = (self.folder / name).read_text()
                (self.folder / name).write_text(table.replace("SYSTEMS = {\n", "SYSTEMS = {\n" + python[0]))
            elif name.endswith(".yaml"):
                (self.folder / name).write_text(_recipe(yaml, text))
            else:
                (self.folder / name).write_text(python[0])
        return [name for name, _ in steps]

    def run(self, *arguments: str) -> str:
        """Run Python in the copy; return what it printed."""
        environment = {"PYTHONPATH": f"{self.folder}:{self.folder / 'tests'}", "PATH": "", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _recipe(sections: list[str], text: str) -> str:
    """`digits-dcgan` with the sections, pictures and extractor of the guide in place of its own."""
    recipe = (REPOSITORY / "ganpipe/recipes/digits-dcgan.yaml").read_text()
    for section in sections:
        name = section.partition(":")[0]
        recipe, count = re.subn(rf"^{name}:.*?\n(?=\n)", section, recipe, flags=re.DOTALL | re.MULTILINE)
        assert count == 1, name
    if pictures := re.search(r"name the pictures `(\w+)` and `(\w+)`", text):
        recipe = recipe.replace("  - grid\n  - interpolation\n", f"  - {pictures[1]}\n  - {pictures[2]}\n")
    if extractor := re.search(r"the extractor `(\w+)`", text):
        recipe = recipe.replace("  - domain\n", f"  - {extractor[1]}\n")
    return recipe


@pytest.fixture
def guide(tmp_path: Path) -> Guide:
    return Guide(tmp_path)


def test_the_guide_to_a_system_that_draws_from_noise(guide: Guide) -> None:
    files = guide.follow("A system that draws from noise")
    assert files == [
        "ganpipe/systems/configs/dragan.py",
        "ganpipe/systems/dragan.py",
        "ganpipe/systems/__init__.py",
        "ganpipe/recipes/digits-dragan.yaml",
        "tests/systems/test_dragan.py",
    ]
    assert "1 passed" in guide.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", files[-1])
    out = guide.run("-c", PIPELINE, "digits-dragan")
    assert str(guide.folder) in out
    assert (guide.folder / "data/samples/interpolation.png").is_file()
    assert len((guide.folder / files[1]).read_text().splitlines()) < 60


def test_the_guide_to_a_system_that_makes_a_picture_from_a_picture(guide: Guide) -> None:
    files = guide.follow("A system that makes a picture from a picture")
    assert files == [
        "ganpipe/systems/configs/translator.py",
        "ganpipe/systems/translator.py",
        "ganpipe/systems/__init__.py",
        "ganpipe/recipes/folders-translator.yaml",
    ]
    random = np.random.default_rng(0)
    for folder in ("A", "B"):
        (guide.folder / "pairs" / folder).mkdir(parents=True)
    for number in range(80):
        picture = random.integers(0, 255, (36, 36, 3), dtype=np.uint8)
        Image.fromarray(picture).save(guide.folder / f"pairs/A/{number}.png")
        Image.fromarray(255 - picture).save(guide.folder / f"pairs/B/{number}.png")
    assert "paired_folders" in guide.run("-c", PIPELINE, "folders-translator", "evaluate")
    assert (guide.folder / "data/samples/translations.png").is_file()
    scores = json.loads((guide.folder / "data/metrics.json").read_text())["paired"]["translated"]
    assert {"l1", "l1_copy", "l1_mean_image"} <= scores.keys()


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
