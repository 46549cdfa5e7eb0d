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
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
HOUSE = REPOSITORY / "docs" / "pictures" / "house.svg"

BOTH_EXAMPLES = """
import os, sys
import pytest
from pathlib import Path
from ganpipe import paths, recipes
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.metrics.reference import prepare_reference
from ganpipe.metrics.stage import evaluate
from ganpipe.params import load
from ganpipe.sampling.published import load_generator
from miniatures import miniature, sample, train

def run(recipe, scored):
    (Path(recipe) / ".dvc").mkdir(parents=True, exist_ok=True)
    os.chdir(recipe)
    recipes.use(recipe, paths.PARAMS)
    params = miniature(load())
    download(params.data, paths.RAW)
    pack(params.data, paths.RAW, paths.PACKED)
    train(params, "fingerprint")
    sample(params)
    if scored:
        prepare_reference(params, paths.PACKED, paths.REFERENCE)
        evaluate(params, paths.PACKED, paths.REFERENCE, paths.SAMPLES, paths.DATA)
    print(recipes.__file__, recipe, load_generator(paths.MODEL).data.name)
    os.chdir("..")

print("tests", int(pytest.main(["-q", "-p", "no:cacheprovider", "--import-mode=importlib", sys.argv[1]])))
run("digits-dragan", scored=False)
run("folders-translator", scored=True)
"""


class Guide:
    """A copy of the package and its tests, to be changed as the guide says."""

    def __init__(self, folder: Path) -> None:
        for name in ("ganpipe", "tests"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
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


def test_both_examples_of_the_guide_run_when_followed_literally(tmp_path: Path) -> None:
    guide = Guide(tmp_path)
    from_noise = guide.follow("A system that draws from noise")
    assert from_noise == [
        "ganpipe/systems/configs/dragan.py",
        "ganpipe/systems/dragan.py",
        "ganpipe/systems/__init__.py",
        "ganpipe/recipes/digits-dragan.yaml",
        "tests/systems/test_dragan.py",
    ]
    from_picture = guide.follow("A system that makes a picture from a picture")
    assert from_picture == [
        "ganpipe/systems/configs/translator.py",
        "ganpipe/systems/translator.py",
        "ganpipe/systems/__init__.py",
        "ganpipe/recipes/folders-translator.yaml",
    ]
    write_pairs(guide.folder / "folders-translator/pairs")
    out = guide.run("-c", BOTH_EXAMPLES, from_noise[-1])
    assert "1 passed" in out and "tests 0" in out
    assert f"{guide.folder}/ganpipe/recipes/__init__.py digits-dragan digits" in out
    assert (guide.folder / "digits-dragan/data/samples/interpolation.png").is_file()
    assert len((guide.folder / from_noise[1]).read_text().splitlines()) < 60
    assert "folders-translator paired_folders" in out
    results = guide.folder / "folders-translator/data"
    assert (results / "samples/strips.png").is_file()
    scores = json.loads((results / "metrics.json").read_text())["paired"]["translated"]
    assert {"l1", "l1_copy", "l1_mean_image"} <= scores.keys()


def write_pairs(folder: Path) -> None:
    """Write pictures and their negatives in the folders A and B."""
    random = np.random.default_rng(0)
    for name in ("A", "B"):
        (folder / name).mkdir(parents=True)
    for number in range(80):
        picture = random.integers(0, 255, (36, 36, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"A/{number}.png")
        Image.fromarray(255 - picture).save(folder / f"B/{number}.png")


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
