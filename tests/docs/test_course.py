"""The lessons keep their form, their commands run in miniature, and their numbers are those of the commands."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY
from miniatures import changed, miniature, sample
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from ganpipe import recipes
from ganpipe.cli import app as ganpipe
from ganpipe.config import Params

COURSE = REPOSITORY / "docs" / "course"
LESSONS = sorted(COURSE.glob("[0-9]*.md"))
THEORY = "python docs/course/theory.py "
SET_UP = (
    r"make \w+",
    r"source \S+",
    r"git checkout -b \w+",
    r"git add -A",
    r"git commit -m .*",
    r"dvc metrics (diff|show)",
)
"""Commands that change no experiment; tests/acts run them in real checkouts."""
SAID_IN_FULL = ("gradients", "distances")
"""Experiments without a training: their picture and numbers are compared as they stand in the lesson."""

Experiment = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A recipe, what `-S` changes in it, and the commands of ganpipe that look at it."""


@pytest.fixture(scope="module", autouse=True)
def _importable() -> None:
    sys.path[:0] = [str(COURSE), str(REPOSITORY / "tools" / "website")]


def theory(line: str, *more: str) -> str:
    """Run a command of theory.py here; return what it printed."""
    done = CliRunner().invoke(importlib.import_module("theory").app, [*shlex.split(line), *more])
    assert done.exit_code == 0, f"{line}: {done.output} {done.exception!r}"
    return done.output


def commands(page: Path) -> list[str]:
    """The command lines that a lesson tells its reader to type, each part of `a && b` by itself."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [part.strip() for line in lines if line for part in line.split(" && ")]


def experiments() -> Iterator[Experiment]:
    """Every training of the lessons, with the commands of ganpipe behind it."""
    for page in LESSONS:
        recipe, sets, looks = "", (), ()
        for line in commands(page):
            words = shlex.split(line)
            if words[:3] == ["ganpipe", "recipe", "use"] or words[:3] == ["dvc", "exp", "run"]:
                if recipe:
                    yield recipe, sets, looks
                looks = ()
                recipe = words[3] if words[0] == "ganpipe" else recipe
                before = () if words[0] == "ganpipe" else sets  # params.yaml keeps what -S sets
                sets = before + tuple(word for one, word in zip(words, words[1:], strict=False) if one == "-S")
            elif words[0] == "ganpipe":
                looks += (line,)
        if recipe:
            yield recipe, sets, looks


def overridden(params: Params, sets: tuple[str, ...]) -> Params:
    """The params with what `dvc exp run -S` sets, checked as ganpipe checks them."""
    for one in sets:
        key, _, value = one.partition("=")
        section, *path, last = key.split(".")
        content: Any = params.model_dump(mode="json")[section]
        inner = content
        for name in path:
            inner = inner[name]
        assert last in inner, f"{key} is no key of the recipe"
        inner[last] = yaml.safe_load(value)
        params = changed(params, **{section: content})
    return params


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_a_lesson_has_one_idea_a_picture_three_exercises_with_answers_and_papers(page: Path) -> None:
    text = page.read_text()
    assert len(re.findall(r"^\*\*The idea: .*\*\*$", text, re.MULTILINE)) == 1
    assert len(re.sub(r"```.*?```", "", text, flags=re.DOTALL).split()) <= 1000
    assert re.search(r"^!\[.+\]\(\.\./pictures/\S+\)$|^\| !\[", text, re.MULTILINE)
    assert "\n## Change it\n" in text
    exercises, answers = re.search(
        r"^## Exercises\n(.*?)<details>(.*?)</details>", text, re.DOTALL | re.MULTILINE
    ).groups()
    for part in (exercises, answers):
        assert re.findall(r"^(\d)\. ", part, re.MULTILINE) == ["1", "2", "3"]
    assert "arxiv.org/abs/" in text.split("\n## Papers\n")[1]


def test_the_lessons_lead_from_one_to_the_next_and_the_course_lists_them_all() -> None:
    for page, after in zip(LESSONS, LESSONS[1:], strict=False):
        assert f"]({after.name})" in page.read_text().splitlines()[-1]
    assert re.findall(r"\]\((\d\d-\S+)\)", (COURSE / "index.md").read_text()) == [page.name for page in LESSONS]
    nav = (REPOSITORY / "mkdocs.yml").read_text()
    assert all(f"- course/{page.name}\n" in nav for page in LESSONS)


def test_every_command_is_one_that_these_tests_run() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    for page in [COURSE / "index.md", *LESSONS]:
        for line in commands(page):
            known = line.startswith((THEORY, "ganpipe ")) or any(re.fullmatch(one, line) for one in SET_UP)
            repro = re.fullmatch(r"dvc repro(?: (?:-s )?(\w+))?", line)
            assert known or line.startswith("dvc exp run") or repro, f"{page.name}: {line}"
            assert not repro or not repro[1] or repro[1] in stages, f"{page.name}: {line}"


def test_every_experiment_of_theory_runs_in_miniature_and_draws_its_picture(tmp_path: Path) -> None:
    lines = [line.removeprefix(THEORY) for page in LESSONS for line in commands(page) if line.startswith(THEORY)]
    known = get_command(importlib.import_module("theory").app).commands  # type: ignore[attr-defined]
    assert {line.split()[0] for line in lines} == set(known)
    for line in sorted({re.sub(r" --steps \d+", "", line) for line in lines}):
        few = ["--steps", "6"] if any(one.name == "steps" for one in known[line.split()[0]].params) else []
        theory(line, *few, "--out", str(tmp_path / "made.png"))
        with Image.open(tmp_path / "made.png") as picture:
            assert picture.width > 300 and len(picture.getcolors(1 << 20) or ()) > 10, line
        (tmp_path / "made.png").unlink()


@pytest.mark.parametrize("name", SAID_IN_FULL)
def test_the_committed_picture_and_the_printed_numbers_are_those_of_the_command(name: str, tmp_path: Path) -> None:
    out = theory(name, "--out", str(tmp_path / "made.png"))
    with Image.open(tmp_path / "made.png") as made, Image.open(COURSE.parent / f"pictures/course/{name}.png") as kept:
        assert made.size == kept.size
        difference = np.abs(np.asarray(made, dtype=float) - np.asarray(kept, dtype=float)).mean()
    assert difference < 1, "draw it again with --out"
    (page,) = [page for page in LESSONS if f"{THEORY}{name}" in commands(page)]
    assert set(re.findall(r"\d\.\d{3,}", out)) <= set(re.findall(r"\d\.\d{3,}", page.read_text()))


def test_a_trained_discriminator_comes_to_the_best_one(tmp_path: Path) -> None:
    short, long = (
        float(theory(f"discriminator --steps {steps}", "--out", str(tmp_path / "made.png")).split()[-1])
        for steps in (10, 200)
    )
    assert long < 0.02 < short


@pytest.mark.parametrize(("recipe", "sets", "looks"), sorted(set(experiments())), ids=str)
def test_an_experiment_of_a_lesson_runs_in_miniature(
    recipe: str,
    sets: tuple[str, ...],
    looks: tuple[str, ...],
    workspace: Callable[[str], Params],
    trained: Callable[[Params], None],
) -> None:
    params = miniature(overridden(workspace(recipe), sets))
    trained(params)
    sample(params)
    for line in looks:
        done = CliRunner().invoke(ganpipe, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{line}: {done.output} {done.exception!r}"


def test_numbers_of_recipes_are_those_of_readme() -> None:
    gallery = importlib.import_module("gallery")
    compared = 0
    for page in LESSONS:
        for header, *rows in gallery.tables(page.read_text()):
            for row in rows if header[0] == "recipe" else ():
                said = " ".join(gallery.facts(row[0].strip("`")))
                for title, cell in [pair for pair in zip(header, row, strict=True) if pair[1]][1:]:
                    assert f"{title} {cell}," in f"{said},", f"{page.name}: {row[0]} {title} {cell}"
                    compared += 1
    assert compared > 10
    assert recipes.names()
